// Says that a record is full: it could not be read again, so it is not written.
import { maxMessageBytes, writeJson } from '../../protocol/json.ts';
import type { NodeState } from '../../protocol/node-state.ts';
import { BrokerError } from '../../transport/port.ts';

/** The parts of a record that may be large, and what makes each smaller. */
const remedies = {
  info: 'the information that the node sends is the largest part: give it fewer labels in its own configuration (node.labels)',
  labels: 'the labels of the control plane are the largest part: remove some with muster node label ID key-',
  changes:
    'events that wait for the broker are the largest part: decide again when they are sent; muster status says more',
} as const;

/** The error for a record that would be too large. Nothing was written. `directory-faults.ts` says it to operators. */
export class RecordTooLarge extends BrokerError {
  /** What makes the record smaller. */
  readonly remedy: string;

  constructor(id: string, bytes: number, { Info, Muster = {} }: NodeState) {
    super('refused', `the record of node ${id} would take ${bytes} bytes; allowed: ${maxMessageBytes}`);
    const { Labels, LabelOrigins, Changes } = Muster;
    const sizes = [
      { bytes: bytesOf(Info), remedy: remedies.info },
      { bytes: bytesOf([Labels, LabelOrigins]), remedy: remedies.labels.replace(' ID ', ` ${id} `) },
      { bytes: bytesOf(Changes), remedy: remedies.changes },
    ];
    const largest = sizes.reduce((most, each) => (each.bytes > most.bytes ? each : most));
    this.remedy = largest.remedy;
  }
}

const bytesOf = (part: unknown): number => Buffer.byteLength(writeJson(part ?? null));
