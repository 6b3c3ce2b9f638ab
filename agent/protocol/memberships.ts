// The memberships that a node on the roll may have.
export const memberships = ['PENDING', 'APPROVED', 'REJECTED'] as const;
export type Membership = (typeof memberships)[number];
