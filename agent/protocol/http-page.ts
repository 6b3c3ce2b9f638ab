// Defines the bodies of the HTTP API by which a person signs in to the page.
import * as v from 'valibot';
import { bounded } from './http.ts';
import { count, struct } from './schema.ts';

const codeText = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{22}$/, 'not a code of muster ui'));

/** The answer with a code. Who shows it once, within this time, gets the token that the maker of the code has shown. */
export const pageCodeSchema = struct({ Code: codeText, ValidSeconds: count() });
export type PageCode = v.InferOutput<typeof pageCodeSchema>;

/** The body with which a page shows the code. */
export const signInSchema = struct({ Code: codeText, Actor: v.optional(bounded(256), '') });

/** Who calls, as far as the API knows. A page asks for it with the token that it has. */
export interface PageCaller {
  /** The name of the operator; empty when no token was shown. */
  Operator: string;
  /** Whether this caller may change something. */
  MayDecide: boolean;
  /** Whether this caller may read. Without a token that depends on `api.openReads`. */
  MayRead: boolean;
  /** When the token ends, RFC 3339; absent when it stays valid. */
  Expires?: string;
}

/** The answer to a code. */
export interface PageSignIn extends PageCaller {
  Token: string;
}

/** The address that `muster ui` shows has the code in its fragment, which a browser sends to nobody. */
export const signInAddress = (url: string, code: string): string => `${url}/#signin=${code}`;
