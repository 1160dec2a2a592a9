/** Where every node has the OCI runtimes behind an adapter, as `runc` and `crun`: see `oci-adapter/`. */
export const ociAdapterFolder = '/usr/local/lib/testbed'
export const adaptedRuntimes = ['runc', 'crun'] as const
