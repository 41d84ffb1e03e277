using ManyHands.Serialization;

namespace ManyHands.Queues;

/// <summary>Encoded messages on their way into a lane. Each thread keeps one for its next use.</summary>
internal sealed class OutgoingMessages : IDisposable
{
    private const int LargestKept = 64 * 1024;

    [ThreadStatic]
    private static OutgoingMessages? spare;

    private readonly List<int> ends = [];
    private PayloadWriter writer = new();
    private int next;

    public bool HasMore => next < ends.Count;

    /// <summary>How many bytes they take together.</summary>
    public int Size => writer.Length;

    /// <summary>The bytes of the next one.</summary>
    public ReadOnlySpan<byte> First
    {
        get
        {
            int begin = next == 0 ? 0 : ends[next - 1];
            return writer.WrittenSpan[begin..ends[next]];
        }
    }

    public static OutgoingMessages Rent()
    {
        OutgoingMessages? mine = spare;
        spare = null;
        return mine ?? new();
    }

    /// <summary>Gives it back for the next use; none of it may be used any more.</summary>
    public void Dispose()
    {
        ends.Clear();
        next = 0;
        if (writer.WrittenSpan.Length > LargestKept)
        {
            writer.Dispose();
            writer = new();
        }

        writer.Clear();
        if (spare is null)
            spare = this;
        else
            writer.Dispose();
    }

    /// <summary>Encodes one more.</summary>
    /// <returns>How many bytes it takes.</returns>
    public int Add<T>(T item)
    {
        int begin = writer.Length;
        Codec<T>.Instance.Write(writer, item);
        ends.Add(writer.Length);
        return writer.Length - begin;
    }

    /// <summary>Encodes one more, as an array of these bytes would be.</summary>
    /// <inheritdoc cref="Add{T}"/>
    public int AddBytes(ReadOnlySpan<byte> bytes)
    {
        int begin = writer.Length;
        BlockOfUnmanaged.Write(writer, bytes, isNull: false);
        ends.Add(writer.Length);
        return writer.Length - begin;
    }

    /// <summary>The last one failed: forgets what there is of it.</summary>
    /// <param name="largest">It may be whole and too large.</param>
    public void DropUnfinished(long largest)
    {
        if (ends.Count > 0 && ends[^1] - (ends.Count > 1 ? ends[^2] : 0) > largest)
            ends.RemoveAt(ends.Count - 1);
        writer.Truncate(ends.Count > 0 ? ends[^1] : 0);
    }

    /// <summary>The first was added.</summary>
    /// <returns>Whether there is another.</returns>
    public bool MoveOn() => ++next < ends.Count;
}
