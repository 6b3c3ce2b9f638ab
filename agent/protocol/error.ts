// Defines the error for bytes from the network that are not a valid message.

export type ProtocolFault = 'too_large' | 'too_deep' | 'malformed' | 'invalid_field';

/**
 * An error that says what is wrong with a message, and in which `field`, such as `Info.Labels.zone`. `field` is empty
 * when the whole message is wrong.
 */
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
