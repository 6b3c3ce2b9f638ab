// The time that all made from a commit bears: the commit's own, so that whoever makes it again gets the same bytes.
import { MusterError } from '../../agent/system/errors.ts';
import { checkout } from './checkout.ts';
import { tool } from './tool.ts';

/**
 * What SOURCE_DATE_EPOCH says (https://reproducible-builds.org/specs/source-date-epoch/), else when `folder` was committed.
 * @throws MusterError when neither can be told.
 */
export async function commitDate(
  given = process.env.SOURCE_DATE_EPOCH,
  folder: string = checkout,
): Promise<Date> {
  if (given) {
    if (/^\d{1,11}$/.test(given)) return new Date(Number(given) * 1000);
    throw new MusterError('usage', `SOURCE_DATE_EPOCH is ${given}, and no number of seconds since 1970`);
  }
  // Root may package what another user has checked out.
  const args = ['-C', folder, '-c', `safe.directory=${folder}`, 'log', '-1', '--format=%ct'];
  const seconds = await tool('git', args).catch(cause => {
    throw new MusterError('failed', 'the date of the commit is not known, which all that is made bears', {
      hint: 'package from a checkout of git, or set SOURCE_DATE_EPOCH to the seconds since 1970',
      cause,
    });
  });
  return new Date(Number(seconds.trim()) * 1000);
}
