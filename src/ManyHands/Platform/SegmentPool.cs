
namespace ManyHands.Platform;

/// <summary>
/// Segments for payloads too large for a ring, kept for the next such payload: the first touch of fresh pages costs many times what copying into
/// used ones does. What nobody needed for a while is freed.
/// </summary>
/// <remarks>A segment isn't cleared between uses: only the process that owns it writes, and only bytes of the payload in it are ever read.</remarks>
internal sealed class SegmentPool : IDisposable
{
    /// <summary>Payloads from this size on go into a segment.</summary>
    public const int SmallestPayload = 48 * 1024;

    private const nuint SmallestSegment = 1024 * 1024;
    private const long MostFree = 512L * 1024 * 1024;
    private static readonly TimeSpan KeepTime = TimeSpan.FromSeconds(5);
    private static long lastId;

    private readonly Lock gate = new();
    private readonly List<SharedSegment> free = [];
    private Deadline? trimming;
    private bool used;
    private bool closed;

    /// <summary>Told the number of each segment that ceases to be, before it does.</summary>
    public event Action<long>? Dropped;

    /// <summary>Null where there are no segments.</summary>
    public static SegmentPool? CreateIfSupported() => SharedSegment.IsSupported ? new SegmentPool() : null;

    /// <summary>A segment of at least that size.</summary>
    /// <exception cref="IOException">The system refused.</exception>
    public SharedSegment Rent(long size)
    {
        lock (gate)
        {
            used = true;
            int best = -1;
            for (int i = 0; i < free.Count; i++)
            {
                if (free[i].Size >= (nuint)size && (best < 0 || free[i].Size < free[best].Size))
                    best = i;
            }

            if (best >= 0 && free[best].Size / 8 <= (nuint)size + SmallestSegment)
            {
                SharedSegment found = free[best];
                free.RemoveAt(best);
                found.AddUse();
                return found;
            }
        }

        // A little more than asked for, so that payloads of about the same size fit as well.
        nuint rounded = Math.Max(SmallestSegment, ((nuint)size + ((nuint)size / 16) + SmallestSegment - 1) / SmallestSegment * SmallestSegment);
        SharedSegment made = SharedSegment.Create(Interlocked.Increment(ref lastId), rounded);
        made.AddUse();
        return made;
    }

    /// <summary>Ends one use of a segment; the last makes it free for the next.</summary>
    public void Return(SharedSegment segment)
    {
        if (!segment.EndUse())
            return;
        lock (gate)
        {
            long kept = 0;
            foreach (SharedSegment one in free)
                kept += (long)one.Size;
            if (!closed && kept + (long)segment.Size <= MostFree)
            {
                free.Add(segment);
                trimming ??= TrimLater();
                return;
            }
        }

        Drop(segment);
    }

    /// <summary>Frees what is free; what is still out is freed when it comes back.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
            trimming?.Cancel();
        }

        FreeAll();
    }

    /// <summary>Frees what is not in use.</summary>
    public void FreeAll()
    {
        SharedSegment[] all;
        lock (gate)
        {
            all = [.. free];
            free.Clear();
        }

        foreach (SharedSegment one in all)
            Drop(one);
    }

    private Deadline TrimLater() => Deadlines.After(KeepTime, Trim, failed: _ =>
    {
        lock (gate)
            trimming = null;
    });

    private void Trim()
    {
        lock (gate)
        {
            trimming = null;
            if (used || closed)
            {
                used = false;
                if (!closed)
                    trimming = TrimLater();
                return;
            }
        }

        FreeAll();
    }

    private void Drop(SharedSegment segment)
    {
        Dropped?.Invoke(segment.Id);
        segment.Free();
    }
}
