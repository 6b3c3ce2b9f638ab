// Makes files and folders hang for a process, see hanging-files.c.
import { compileLibrary } from '../support/compile.ts';

export interface Hanging {
  /** Beginnings of paths. Every call for such a path hangs. */
  paths?: string[];
  /** Beginnings of paths. For such a path, only the question for the size of the file system hangs. */
  sizes?: string[];
  /** The path of a file. Nothing hangs any more when the file exists. */
  until?: string;
}

let library: Promise<string> | undefined;

/** Returns the environment variables of a process for which these hang. */
export async function hangingFiles({ paths = [], sizes = [], until = '/never' }: Hanging) {
  library ??= compileLibrary(new URL('hanging-files.c', import.meta.url), 'hanging.so', ['-ldl']);
  return {
    LD_PRELOAD: await library,
    HANGS: paths.join(':'),
    SIZE_HANGS: sizes.join(':'),
    RELEASE: until,
  };
}
