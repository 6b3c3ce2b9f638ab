// The roles: what a process of the program may be for as long as it runs.

export type Role = 'agent' | 'requester';

export const roles: readonly Role[] = ['agent', 'requester'];
