// How long a peer of Bacalhau waits.

/**
 * Pauses and limits, in milliseconds. Bacalhau has 15 s, 30 s, 60 s, 2 s, 10 s, 75 s and 10 s. As there, a restart of the
 * requester takes less than what a node waits for a heartbeat to succeed. What Bacalhau gives an answer, a busy machine may need:
 * a registration that nobody hears fails at once, so these tests wait for that limit nowhere.
 */
export const peerTimes = {
  heartbeatMs: 200,
  olderResourcesMs: 300,
  infoMs: 400,
  olderAnswerMs: 30_000,
  answerMs: 30_000,
  lostAfterMs: 75_000,
  checkMs: 200,
};
