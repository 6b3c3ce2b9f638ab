// Defines the member of a record of the cluster that remembers operations. It is apart, because commands that read no record
// need no schema.
import * as v from 'valibot';
import { maxRemembered } from './operation.ts';

/** The schema of the texts that a record of the cluster keeps. */
export const rememberedSchema = v.pipe(
  v.array(v.pipe(v.string(), v.maxLength(128))),
  v.maxLength(maxRemembered),
);
