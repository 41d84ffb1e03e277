using ManyHands.Sqlite;

namespace ManyHands;

/// <summary>Adds <c>ManagerStorage.Sqlite(path)</c>: a manager's storage in a file of SQLite.</summary>
public static class SqliteManagerStorage
{
    extension(ManagerStorage)
    {
        /// <summary>
        /// Opens the file, or makes it, and keeps a manager's queues and dictionaries there. What was acknowledged is there again after the process was killed (see <see cref="SqliteStorageOptions.IsDurable"/> for power cuts).
        /// </summary>
        /// <param name="path">
        /// The file, in a folder that is there, on a local disk. While it is open, a second file with <c>-wal</c> after its name belongs to it; so it does after a kill: move and copy both, and not while they are open. Only this user can read them (mode 0600).
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>A storage for one manager, which disposes of it.</returns>
        /// <remarks>
        /// <para>Changes are written by one thread, many in one transaction. While 64 MiB of them wait to be written, whoever asks for more waits.</para>
        /// <para>A change that can't be written, because the disk is full for example, is refused with <see cref="ManagerError.NotStored"/> and not made; later changes are tried anew.</para>
        /// <para>The file doesn't shrink; what becomes free in it is used again.</para>
        /// </remarks>
        /// <exception cref="ArgumentException">The path is empty.</exception>
        /// <exception cref="IOException">
        /// Another manager or program has the file open; it is a database of another application or of a later version of this package, or no database; it is a link, or belongs to or is open to other users; or it can't be opened or made.
        /// </exception>
        public static ManagerStorage Sqlite(string path, SqliteStorageOptions? options = null)
        {
            ArgumentException.ThrowIfNullOrEmpty(path);
            return new SqliteStorage(path, options ?? new());
        }
    }
}
