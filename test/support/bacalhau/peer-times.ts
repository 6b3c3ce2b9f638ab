// How long a peer of Bacalhau waits.

/**
 * Pauses and limits, in milliseconds. Bacalhau has 15 s, 30 s, 60 s, 2 s, 10 s, 75 s and 10 s. As there, a restart of the
 * requester takes less than what a node waits for a heartbeat to succeed.
 */
export const peerTimes = {
  heartbeatMs: 200,
  olderResourcesMs: 300,
  infoMs: 400,
  olderAnswerMs: 2_000,
  answerMs: 10_000,
  lostAfterMs: 20_000,
  checkMs: 200,
};
