// Names a user who is not root, for tests in which root meets files of another user.

/** The id of the user, and of the group. It is nobody's on most systems. */
export const otherUser = 65_534;

/** The options of a test that makes files of another user. */
export const needsRoot =
  process.geteuid?.() === 0 ? {} : { skip: 'only root can make files of another user' };
