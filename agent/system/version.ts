// The version of muster is a constant, so that no file is read for it. A test compares it with package.json.
export const version = '0.1.0';
