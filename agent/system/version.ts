// The version of muster. A test holds it equal to package.json's; as a constant it needs no file beside the program.
export const version = '0.1.0';
