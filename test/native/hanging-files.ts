// Files and folders that do not answer, see hanging-files.c.
import { compileLibrary } from '../support/compile.ts';

export interface Hanging {
  /** All that begins with one of these hangs. */
  paths?: string[];
  /** Here only the size of the file system cannot be had. */
  sizes?: string[];
  /** The file with which it ends. */
  until?: string;
}

let library: Promise<string> | undefined;

/** The environment of a process for which these hang. */
export async function hangingFiles({ paths = [], sizes = [], until = '/never' }: Hanging) {
  library ??= compileLibrary(new URL('hanging-files.c', import.meta.url), 'hanging.so', ['-ldl']);
  return {
    LD_PRELOAD: await library,
    HANGS: paths.join(':'),
    SIZE_HANGS: sizes.join(':'),
    RELEASE: until,
  };
}
