/**
 * Keeps the scripts of packages from starting or restarting services: Debian's way is a program that each of them asks.
 * A crash may leave ours in place; the next use of the guard, which follows from the journal, puts the host's own back.
 */
import type { Host } from '../../host/host.ts'

const policy = '/usr/sbin/policy-rc.d'
/** The host's own, while ours is in its place. */
const former = '/usr/sbin/policy-rc.d.before-drydock'

/** 101: the action is not allowed. */
const ours = Buffer.from('#!/bin/sh\n# Written by Drydock while it installs packages.\nexit 101\n')

export async function withoutServices(host: Host, act: () => Promise<void>): Promise<void> {
  await guard(host)
  try {
    await act()
  } finally {
    await allowServices(host)
  }
}

async function guard(host: Host): Promise<void> {
  const now = await host.readFile(policy)
  if (now && !now.equals(ours)) await move(host, policy, former)
  await host.replaceFile(policy, ours, 0o755)
}

/** Puts the host's own policy back, or none where there was none. */
export async function allowServices(host: Host): Promise<void> {
  if (await host.readFile(former)) await move(host, former, policy)
  else if ((await host.readFile(policy))?.equals(ours)) await host.removeFile(policy)
}

/** With its mode, and in one act: at each instant the host's own is whole under one of the two names. */
async function move(host: Host, from: string, to: string): Promise<void> {
  const ran = await host.run(['mv', '--force', '--no-target-directory', '--', from, to], { timeoutMs: 10_000 })
  if (ran.code !== 0) throw new Error(`${from} cannot be moved to ${to}: ${ran.stderr.trim()}`)
  await host.makeDurable(to)
}
