/**
 * The real engine on a simulated node, killed or cut off from power at every point. Replay one run:
 * DRYDOCK_RUN='{"story":"commit","action":"Restart","fault":"none","crashes":[{"at":40,"kind":"power"}],"seed":7}' tap test/simulation/node-switch.test.ts
 */
