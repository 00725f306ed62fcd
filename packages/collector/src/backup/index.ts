export { backup, type BackedUp, type BackupOptions } from './backup.ts';
export { checkFile, type Checked } from './reading.ts';
export { restore, type Restored, type RestoreOptions } from './restore.ts';
export { makeDatabase } from './target.ts';
