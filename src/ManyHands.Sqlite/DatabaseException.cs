namespace ManyHands.Sqlite;

/// <summary>SQLite refused. It never leaves this package: what does is an <see cref="IOException"/> with the path and the next step.</summary>
/// <param name="message">SQLite's own words.</param>
/// <param name="code">The extended result code.</param>
internal sealed class DatabaseException(string message, int code) : Exception(message)
{
    private const int PrimaryMask = 0xFF;

    public int Code => code;

    /// <summary>The result code without its details.</summary>
    public int PrimaryCode => code & PrimaryMask;
}
