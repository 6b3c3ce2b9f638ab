// Says what a command could not do because the broker did not carry it out, and what to do about it.
import { MusterError } from '../system/errors.ts';
import { BrokerError } from '../transport/port.ts';

/** Does the work of a command. @throws MusterError `failed` with these texts instead of a BrokerError; any other error of the work */
export async function nameBrokerError<T>(what: string, hint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    throw new MusterError('failed', `${what}: ${error.message}`, { hint, cause: error });
  }
}
