// The roles that a long-running process of muster may have.

export type Role = 'agent' | 'requester';

export const roles: readonly Role[] = ['agent', 'requester'];
