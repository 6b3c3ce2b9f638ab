// What to say of a role that does not run here.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Role } from '../../config/role.ts';
import { unitName } from '../../service/scope.ts';
import { launchdLabel } from '../../service/service-paths.ts';
import { type Finding, failed, warning } from './check.ts';
import { type Context, exists } from './context.ts';

/** Failed where it was set up before; only a warning where it never was. */
export async function notRunning({ data, folderOf }: Context, role: Role): Promise<Finding> {
  const start = howToStart(role);
  if (await exists(folderOf(role))) return failed('it does not run', `start it: ${start}`);
  const dev = (await readdir(join(data, 'dev')).catch(() => [])).find(name => /^node-[1-9]\d*$/.test(name));
  const node = dev && join(data, 'dev', role === 'agent' ? dev : 'node-0');
  if (node) {
    return warning(
      `it was never set up in ${data}, but "muster dev" was`,
      `look at that with: muster doctor --role ${role} --data-dir ${node}`,
    );
  }
  return warning(`it was never set up here (looked in ${data})`, `start it: ${start}`);
}

/** By hand, or as the service that it is. */
export function howToStart(role: Role): string {
  const restart =
    process.platform === 'darwin'
      ? `launchctl kickstart -k system/${launchdLabel(role)}`
      : `systemctl restart ${unitName(role)}`;
  return `muster ${role}, or where it is a service: ${restart}`;
}
