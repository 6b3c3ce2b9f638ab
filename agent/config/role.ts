// The roles of long-running muster processes are defined here.

export type Role = 'agent' | 'requester';

export const roles: readonly Role[] = ['agent', 'requester'];
