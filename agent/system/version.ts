// The version of muster. It is a constant, so that no file is read for it; a test compares it with package.json.
export const version = '0.1.0';
