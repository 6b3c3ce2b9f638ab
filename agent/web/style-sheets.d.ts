// Tells the type checker that a style sheet may be imported. The build takes it out of the scripts.
declare module '*.css';
