namespace ManyHands.Managers;

/// <summary>What all objects of a manager hold together, and may.</summary>
internal sealed class StoredBytes(long most)
{
    /// <summary>What an item takes beside its bytes. It counts too: else many that are empty would take memory without end.</summary>
    private const int Overhead = 64;

    private long held;

    public long Held => Volatile.Read(ref held);

    /// <summary>What an item counts.</summary>
    public static long SizeOf(byte[] value) => Overhead + (long)value.Length;

    /// <summary>Takes room for so many bytes.</summary>
    /// <returns>False if there is none.</returns>
    public bool TryTake(long count)
    {
        if (Interlocked.Add(ref held, count) <= most)
            return true;
        Interlocked.Add(ref held, -count);
        return false;
    }

    /// <summary>Takes it without asking: for what is there already.</summary>
    public void Take(long count) => Interlocked.Add(ref held, count);

    public void Free(long count) => Interlocked.Add(ref held, -count);

    public string Full(string name) => $"'{name}' can't take it: the manager holds {Held:N0} bytes of the {most:N0} that ManagerOptions.MaxStoredBytes allows. Take something out first, or allow more.";
}
