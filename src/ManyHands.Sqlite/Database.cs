using ManyHands.Platform;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace ManyHands.Sqlite;

/// <summary>An open file of SQLite that nobody else has open, with the tables that belong into it.</summary>
internal sealed class Database : IDisposable
{
    /// <summary>Says whose file it is, as "MHnd".</summary>
    private const long ApplicationId = 0x4D486E64;
    private const long SchemaVersion = 1;

    /// <summary>The log is copied into the file, with the only waits for the disk there are unless it is durable, after every so many pages of 4 KiB.</summary>
    private const int PagesBetweenCheckpoints = 4096;

    /// <summary>To how many bytes the log is cut when it begins anew, after it had to hold more.</summary>
    private const int MostOfLog = 64 << 20;

    /// <summary>In KiB.</summary>
    private const int CacheSize = 16 * 1024;

    private readonly SqliteConnection connection;
    private readonly StorageFile file;
    private Statement? begin;
    private Statement? commit;

    /// <exception cref="IOException">See <see cref="SqliteManagerStorage.Sqlite"/>.</exception>
    public Database(string path, bool isDurable)
    {
        Path = System.IO.Path.GetFullPath(path);
        file = new(Path);
        connection = new(new SqliteConnectionStringBuilder { DataSource = Path, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ToString());
        try
        {
            connection.Open();
            Prepare(isDurable);
            file.Hold();
            KeepLogOnClose(false);
        }
        catch (Exception failure)
        {
            Dispose();
            if (failure is DatabaseException or SqliteException)
                throw Explained(failure);
            throw;
        }
    }

    public string Path { get; }

    public sqlite3 Handle => connection.Handle!;

    /// <summary>Executes statements without parameters and results.</summary>
    /// <exception cref="DatabaseException">The database refused.</exception>
    public void Execute(string text)
    {
        using Statement statement = new(this, text);
        statement.Run();
    }

    /// <exception cref="DatabaseException">The database refused.</exception>
    /// <exception cref="IOException">The file was deleted.</exception>
    public void Begin()
    {
        file.RefuseDeleted();
        (begin ??= new(this, "BEGIN IMMEDIATE")).Run();
    }

    /// <exception cref="DatabaseException">The database refused.</exception>
    /// <exception cref="IOException">The file was deleted, so that nobody will find there what is written.</exception>
    public void Commit()
    {
        (commit ??= new(this, "COMMIT")).Run();
        file.RefuseDeleted();
    }

    /// <summary>Does nothing if the failure has rolled the transaction back already, or there is none.</summary>
    public void RollBack()
    {
        if (raw.sqlite3_get_autocommit(Handle) == 0)
            _ = raw.sqlite3_exec(Handle, "ROLLBACK");
    }

    public void Check(int result)
    {
        if (result != raw.SQLITE_OK)
            throw new DatabaseException(raw.sqlite3_errmsg(Handle).utf8_to_string(), raw.sqlite3_extended_errcode(Handle) is var code and not 0 ? code : result);
    }

    /// <summary>The failure for those outside, with the path and what to do.</summary>
    public IOException Explained(Exception failure)
    {
        (int code, string message) = failure switch
        {
            DatabaseException own => (own.PrimaryCode, $"{ExceptionText.MessageOf(own)}, code {own.Code}"),
            SqliteException other => (other.SqliteErrorCode, $"{ExceptionText.MessageOf(other)}, code {other.SqliteExtendedErrorCode}"),
            _ => (raw.SQLITE_ERROR, ExceptionText.MessageOf(failure)),
        };
        string explanation = code switch
        {
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => "Another manager or program has the file open, and one at a time may have it. End that one, or give each manager a file of its own.",
            raw.SQLITE_FULL => "There is no room for it: free some on that file system. Later changes are tried anew.",
            raw.SQLITE_TOOBIG => "An item or entry is larger than it can hold, which is 1,000,000,000 bytes. Keep such things in files, and their paths here.",
            raw.SQLITE_NOTADB => "It is no database of SQLite. Is the path the right one? Name a file of which there is none yet, and it is made.",
            raw.SQLITE_CORRUPT => "The database is damaged. Put a copy of it and of its -wal file in its place, or move it away to begin anew.",
            raw.SQLITE_READONLY or raw.SQLITE_CANTOPEN or raw.SQLITE_PERM => "It can't be written: this user must be allowed to write the file and to make files in its folder.",
            raw.SQLITE_IOERR => "The system could not read or write it: look at its disk and the system's log. Later changes are tried anew.",
            _ => "That is not expected; the code says what SQLite thinks of it.",
        };
        return new IOException($"The manager's storage {Path} failed. {explanation} (SQLite: {message}.)", failure);
    }

    public void Dispose()
    {
        begin?.Dispose();
        commit?.Dispose();
        connection.Dispose();

        // After the connection: closing any descriptor of a file ends the locks that the process has on it.
        file.Dispose();
    }

    private void Prepare(bool isDurable)
    {
        Check(raw.sqlite3_busy_timeout(Handle, 0));

        // Of another's file, nothing is to be changed, also not by closing it.
        KeepLogOnClose(file.HadLog);

        // Before anything is read, so that the index of the log is in this process's own memory instead of a file. The lock ends with the process.
        Execute("PRAGMA locking_mode = EXCLUSIVE");
        Execute("BEGIN EXCLUSIVE");
        if (!IsOurs())
        {
            Execute("CREATE TABLE objects (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, type TEXT NOT NULL, completed INTEGER NOT NULL DEFAULT 0)");
            Execute($"PRAGMA application_id = {ApplicationId}");
            Execute($"PRAGMA user_version = {SchemaVersion}");
        }

        Execute("COMMIT");
        using (Statement journal = new(this, "PRAGMA journal_mode = WAL"))
        {
            if (!journal.Read() || journal.Text(0) != "wal")
                throw new IOException($"The file system of {Path} can't hold a write-ahead log, so nothing there would survive a kill. Use a file on a local disk.");
        }

        Execute(isDurable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        Execute($"PRAGMA wal_autocheckpoint = {PagesBetweenCheckpoints}");
        Execute($"PRAGMA journal_size_limit = {MostOfLog}");
        Execute($"PRAGMA cache_size = -{CacheSize}");

        // The log's file is made when it is first needed, and the storage file is about to look at it.
        _ = Number("SELECT count(*) FROM objects");
    }

    /// <returns>False if there is nothing in it yet.</returns>
    private bool IsOurs()
    {
        long application = Number("PRAGMA application_id");
        long version = Number("PRAGMA user_version");
        if (application == ApplicationId)
        {
            return version == SchemaVersion
                ? true
                : throw new IOException($"The manager's storage {Path} is of version {version}, and this package knows version {SchemaVersion}. Use the version of ManyHands.Sqlite that wrote it, or another file.");
        }

        if (application == 0 && version == 0 && Number("SELECT count(*) FROM sqlite_schema") == 0)
            return false;
        throw new IOException($"{Path} is a database of another application (application_id {application}, user_version {version}), so no manager's storage, and nothing was changed in it. Name a file of which there is none yet, and it is made.");
    }

    private long Number(string text)
    {
        using Statement statement = new(this, text);
        return statement.Read() ? statement.Integer(0) : 0;
    }

    private void KeepLogOnClose(bool keep) => Check(raw.sqlite3_db_config(Handle, raw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, out _));
}
