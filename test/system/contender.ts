// This helper process tries to hold the folders that a test names, and runs until it is killed.
import { MusterError } from '../../agent/system/errors.ts';
import { holdFolder } from '../../agent/system/role-socket.ts';

process.on('message', async (folder: string) => {
  try {
    await holdFolder(
      folder,
      () => ({ pid: process.pid }),
      status => JSON.stringify(status),
    );
    process.send?.({ held: true });
  } catch (error) {
    const { code, message } = error instanceof MusterError ? error : { code: 'bug', message: String(error) };
    process.send?.({ held: false, code, message });
  }
});
process.send?.('up');
