// Defines the roles of long-running muster processes.

export type Role = 'agent' | 'requester';

export const roles: readonly Role[] = ['agent', 'requester'];
