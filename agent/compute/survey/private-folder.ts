// Says whether a path leads into a folder that a service has in the place of the machine's, such as a /tmp of its own.

/**
 * Returns the folder that this process has in the place of the machine's, and that `path` is in; undefined when it sees what all
 * see. `mountInfo` is the text of /proc/self/mountinfo: proc_pid_mountinfo(5). Never throws.
 */
export function privateFolderOf(path: string, mountInfo: string): string | undefined {
  let over: { point: string; root: string } | undefined;
  for (const line of mountInfo.split('\n')) {
    const [, , , root = '', point = ''] = line.split(' ');
    const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
    // Of two mounts at one place, the later one is seen.
    if (point !== '' && isAbove && point.length >= (over?.point.length ?? 0)) over = { point, root };
  }
  return over && isMadeForService.test(over.root) ? over.point : undefined;
}

/** Where systemd keeps what it mounts for PrivateTmp= and for ProtectHome= and InaccessiblePaths=: systemd.exec(5). */
const isMadeForService = /\/systemd-private-[^/]+\/|\/systemd\/inaccessible\//;
