// Finds the date that all released files carry: the commit's, so that anyone who makes them again gets the same bytes.
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { tool } from './tool.ts';

/**
 * Returns the date in SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), or else the date of the
 * last commit in `folder`.
 * @throws MusterError when neither is known.
 */
export async function commitDate(
  given = process.env.SOURCE_DATE_EPOCH,
  folder: string = checkout,
): Promise<Date> {
  if (given) {
    if (/^\d{1,11}$/.test(given)) return new Date(Number(given) * 1000);
    throw new MusterError(
      'usage',
      `SOURCE_DATE_EPOCH is ${given}, which is not a number of seconds since 1970`,
    );
  }
  // Git refuses the checkout of another user, but root may package it.
  const args = ['-C', folder, '-c', `safe.directory=${folder}`, 'log', '-1', '--format=%ct'];
  const seconds = await tool('git', args).catch(cause => {
    throw new MusterError('failed', 'the date of the commit is unknown, and every released file carries it', {
      hint: 'package from a git checkout, or set SOURCE_DATE_EPOCH to the seconds since 1970',
      cause,
    });
  });
  return new Date(Number(seconds.trim()) * 1000);
}
