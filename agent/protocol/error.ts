// The one way in which bytes from the network can be wrong.

export type ProtocolFault = 'too_large' | 'too_deep' | 'malformed' | 'invalid_field';

/** What is wrong with a message, and in which field (`Info.Labels.zone`; empty when it is the whole). */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly fault: ProtocolFault;
  readonly field: string;

  constructor(fault: ProtocolFault, message: string, field = '') {
    super(field ? `${field}: ${message}` : message);
    this.fault = fault;
    this.field = field;
  }
}
