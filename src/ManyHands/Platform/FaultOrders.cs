#if DEBUG
using System.IO.MemoryMappedFiles;

namespace ManyHands.Platform;

/// <summary>A fault that is due after some more times.</summary>
internal sealed class FaultOrder(FaultStep step, Fault fault, int hits, TimeSpan delay)
{
    public FaultStep Step => step;

    public Fault Fault => fault;

    public int Hits { get; set; } = hits;

    public TimeSpan Delay => delay;
}

/// <summary>
/// The page that a test shares with the children of the process it tests: one order, which the first of them that is due takes, and which steps were reached. Memory and not
/// files, as a worker comes by a dozen steps in a call that takes microseconds, and must stay so quick that its pool treats the call as it does without all this.
/// </summary>
internal sealed unsafe class FaultOrders : IDisposable
{
    /// <summary>The page, in the directory that <see cref="FaultPoint.Variable"/> names.</summary>
    private const string File = "orders";
    private const int Size = 4096;
    private const int StepsOfSide = 256;

    // An order's number and what became of it, in one word, so that nobody can take another than the one that was read.
    private const long None = 0;
    private const long Open = 1;
    private const long Taken = 2;
    private const long StateMask = 3;

    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private readonly Page* page;
    private readonly byte* reached;
    private long counted;
    private int hits;

    public FaultOrders(string directory)
    {
        string path = Path.Combine(directory, File);
        using FileStream stream = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        if (stream.Length < Size)
            stream.SetLength(Size);
        mapping = MemoryMappedFile.CreateFromFile(stream, null, Size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        view = mapping.CreateViewAccessor();
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        page = (Page*)start;
        reached = start + sizeof(Page);
    }

    /// <summary>Whether steps that are reached are noted.</summary>
    public bool Records
    {
        get => Volatile.Read(ref page->Records) != 0;
        set => Volatile.Write(ref page->Records, value ? 1 : 0);
    }

    /// <summary>Replaces whatever order there was.</summary>
    public void Give(FaultOrder order)
    {
        long number = Volatile.Read(ref page->State) & ~StateMask;
        Volatile.Write(ref page->State, number | None);
        (page->Step, page->Fault, page->Hits, page->DelayMilliseconds) = ((int)order.Step, (int)order.Fault, order.Hits, (int)order.Delay.TotalMilliseconds);
        Volatile.Write(ref page->State, (number + StateMask + 1) | Open);
    }

    /// <summary>False if it was taken: the fault has happened or is just about to.</summary>
    public bool TakeBack()
    {
        long state = Volatile.Read(ref page->State);
        return (state & StateMask) == Open && Interlocked.CompareExchange(ref page->State, state & ~StateMask, state) == state;
    }

    /// <summary>The order, if it is for this step and due now. The process that gets it is the only one.</summary>
    public FaultOrder? TryTake(FaultStep step)
    {
        long state = Volatile.Read(ref page->State);
        if ((state & StateMask) != Open || page->Step != (int)step)
            return null;
        if (counted != state)
            (counted, hits) = (state, 0);
        if (++hits < page->Hits)
            return null;
        FaultOrder order = new(step, (Fault)page->Fault, 0, TimeSpan.FromMilliseconds(page->DelayMilliseconds));
        return Interlocked.CompareExchange(ref page->State, (state & ~StateMask) | Taken, state) == state ? order : null;
    }

    public void Note(FaultSides side, FaultStep step) => reached[((int)side * StepsOfSide) + (int)step] = 1;

    public bool IsNoted(FaultSides side, FaultStep step) => Volatile.Read(ref reached[((int)side * StepsOfSide) + (int)step]) != 0;

    /// <summary>What was noted; begins anew.</summary>
    public List<(FaultSides Side, FaultStep Step)> TakeNotes()
    {
        List<(FaultSides, FaultStep)> notes = [];
        foreach (FaultSides side in (ReadOnlySpan<FaultSides>)[FaultSides.Parent, FaultSides.Child])
        {
            foreach (FaultStep step in Enum.GetValues<FaultStep>())
            {
                ref byte note = ref reached[((int)side * StepsOfSide) + (int)step];
                if (note != 0)
                    notes.Add((side, step));
                note = 0;
            }
        }

        return notes;
    }

    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
    }

    private struct Page
    {
        public long State;
        public int Step;
        public int Fault;
        public int Hits;
        public int DelayMilliseconds;
        public int Records;
    }
}
#endif
