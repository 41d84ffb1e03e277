namespace ManyHands;

/// <summary>Options of <see cref="SqliteManagerStorage.Sqlite(string, SqliteStorageOptions?)"/>.</summary>
public sealed record SqliteStorageOptions
{
    /// <summary>
    /// Whether what is acknowledged also survives a power cut or a crash of the system: each commit then waits until the disk has it, which takes from a tenth of a millisecond to tens of milliseconds.
    /// Default: false; then it survives the death of the process in any way, a power cut may cost the last moments before it, and the file stays whole.
    /// </summary>
    public bool IsDurable { get; init; }
}
