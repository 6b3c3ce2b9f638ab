// Sends one request to a cloud's metadata service, with limits for time and size. It uses no proxy and follows no redirect.
import { reasonOf } from '../../system/errors.ts';
import type { Fault, MetadataRequest } from './inputs.ts';

const maxBodyBytes = 4096;

/** Returns the body of an answer with status 200. Waits at most `timeoutMs`. Never throws. */
export async function askMetadata(
  { method, url, headers }: MetadataRequest,
  timeoutMs: number,
): Promise<{ value: string } | { fault: Fault }> {
  // It is loaded only here, because it needs memory and few agents use it.
  const { request } = await import('node:http');
  return new Promise(resolve => {
    const fail = (kind: Fault['kind'], reason: string) => {
      clearTimeout(timer);
      call.destroy();
      resolve({ fault: { kind, reason } });
    };
    // On a machine outside a cloud nobody answers. This is normal, so it counts as absent.
    const timer = setTimeout(() => fail('absent', `did not answer within ${timeoutMs / 1000} s`), timeoutMs);
    // Without an HTTP agent the connection is closed after the answer. An open one would keep the process alive.
    const call = request(url, { method, headers: { ...headers, 'Content-Length': 0 }, agent: false });
    call.on('error', error => fail('absent', `cannot be reached: ${reasonOf(error)}`));
    call.on('response', response => {
      if (response.statusCode !== 200) {
        fail('absent', `answered with status ${response.statusCode}`);
        return;
      }
      const chunks: Buffer[] = [];
      let bodyBytes = 0;
      response.on('error', error => fail('failed', `broke off: ${reasonOf(error)}`));
      response.on('aborted', () => fail('failed', 'broke off'));
      response.on('data', (chunk: Buffer) => {
        bodyBytes += chunk.length;
        if (bodyBytes > maxBodyBytes) fail('failed', `sent more than ${maxBodyBytes} bytes`);
        else chunks.push(chunk);
      });
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ value: Buffer.concat(chunks).toString('utf8') });
      });
    });
    call.end();
  });
}
