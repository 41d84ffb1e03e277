using System.Buffers;

namespace ManyHands.Queues;

/// <summary>Copies of messages that were taken out of a lane, behind one another. Each thread keeps one for its next use.</summary>
internal sealed class TakenMessages : IDisposable
{
    private const int LargestKept = 64 * 1024;

    [ThreadStatic]
    private static TakenMessages? spare;

    private readonly List<int> ends = [];
    private byte[] buffer = new byte[1024];

    public int Count => ends.Count;

    /// <summary>How many bytes they take together.</summary>
    public int Size { get; private set; }

    /// <summary>A message that is longer stays where it is. As long as any may be if nothing is said.</summary>
    public int Largest { get; set; } = Array.MaxLength;

    /// <summary>The length of one that is longer than <see cref="Largest"/>; -1 for none.</summary>
    public int Refused { get; set; } = -1;

    public ReadOnlyMemory<byte> this[int index]
    {
        get
        {
            int begin = index == 0 ? 0 : ends[index - 1];
            return buffer.AsMemory(begin, ends[index] - begin);
        }
    }

    public static TakenMessages Rent()
    {
        TakenMessages? mine = spare;
        spare = null;
        return mine ?? new();
    }

    /// <summary>Gives it back for the next use; none of it may be used any more.</summary>
    public void Dispose()
    {
        ends.Clear();
        Size = 0;
        Largest = Array.MaxLength;
        Refused = -1;
        if (buffer.Length > LargestKept)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = new byte[1024];
        }

        spare = this;
    }

    /// <summary>Room for one more, to be filled at once.</summary>
    public Span<byte> Add(int length)
    {
        if (buffer.Length - Size < length)
            Grow(length);
        ends.Add(Size + length);
        Span<byte> message = buffer.AsSpan(Size, length);
        Size += length;
        return message;
    }

    private void Grow(int length)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max((long)Size + length, buffer.Length * 2L)));
        buffer.AsSpan(0, Size).CopyTo(larger);
        if (buffer.Length > LargestKept)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
