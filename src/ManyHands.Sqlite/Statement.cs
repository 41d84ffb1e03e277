using SQLitePCL;

namespace ManyHands.Sqlite;

/// <summary>One prepared statement. Its parameters are numbered from 1, its columns from 0.</summary>
/// <remarks>Beneath ADO.NET, whose commands make objects for every execution; here a change of a queue costs none.</remarks>
internal sealed class Statement : IDisposable
{
    /// <summary>A statement keeps its own copy of what was bound; larger ones are let go after use.</summary>
    private const int LargeValue = 1 << 16;

    private readonly Database database;
    private readonly sqlite3_stmt handle;
    private bool isLarge;

    /// <exception cref="DatabaseException">The database refused.</exception>
    public Statement(Database database, string text)
    {
        this.database = database;
        database.Check(raw.sqlite3_prepare_v2(database.Handle, text, out handle));
    }

    public Statement Bind(int parameter, long value)
    {
        database.Check(raw.sqlite3_bind_int64(handle, parameter, value));
        return this;
    }

    public Statement Bind(int parameter, string value)
    {
        database.Check(raw.sqlite3_bind_text(handle, parameter, value));
        return this;
    }

    public Statement Bind(int parameter, ReadOnlySpan<byte> value)
    {
        isLarge |= value.Length > LargeValue;
        database.Check(raw.sqlite3_bind_blob(handle, parameter, value));
        return this;
    }

    /// <summary>Executes it, and makes it ready for the next time.</summary>
    public void Run()
    {
        int result = raw.sqlite3_step(handle);
        try
        {
            if (result is not (raw.SQLITE_DONE or raw.SQLITE_ROW))
                database.Check(result);
        }
        finally
        {
            _ = raw.sqlite3_reset(handle);
            if (isLarge)
            {
                _ = raw.sqlite3_clear_bindings(handle);
                isLarge = false;
            }
        }
    }

    /// <summary>Goes to the next row.</summary>
    /// <returns>False if there is none.</returns>
    public bool Read()
    {
        int result = raw.sqlite3_step(handle);
        if (result is not (raw.SQLITE_DONE or raw.SQLITE_ROW))
            database.Check(result);
        return result == raw.SQLITE_ROW;
    }

    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    public string Text(int column) => raw.sqlite3_column_text(handle, column).utf8_to_string();

    public byte[] Bytes(int column) => raw.sqlite3_column_blob(handle, column).ToArray();

    public void Dispose() => handle.Dispose();
}
