/** Starts what the system tests share. */
export default async function setup(): Promise<() => Promise<void>> {
  return async () => {};
}
