using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ManyHands.Platform;

namespace ManyHands.Transport;

/// <summary>What the two ends of one ring tell each other. Each part is written by one side only, and stands in cache lines of its own.</summary>
[StructLayout(LayoutKind.Explicit, Size = 512)]
internal struct RingControl
{
    /// <summary>Written by the writer: all bytes published.</summary>
    [FieldOffset(0)]
    public ulong Tail;

    /// <summary>Written by the reader: all bytes given back.</summary>
    [FieldOffset(128)]
    public ulong Head;

    /// <summary>Set by a reader that is going to sleep, taken by the writer that wakes it.</summary>
    [FieldOffset(256)]
    public int ReaderSleeps;

    /// <summary>Counts the reader's wake-ups; the word it sleeps on.</summary>
    [FieldOffset(260)]
    public uint ReaderWakes;

    /// <summary>Set by a writer that needs room, taken by the reader that makes some.</summary>
    [FieldOffset(384)]
    public int WriterWaits;

    /// <summary>Counts the writer's wake-ups; the word it sleeps on.</summary>
    [FieldOffset(388)]
    public uint RoomWakes;
}

/// <summary>What a worker tells its parent outside the ring, where it stays readable when the worker has died.</summary>
[StructLayout(LayoutKind.Explicit, Size = 512)]
internal struct WorkerControl
{
    /// <summary>Written by the worker before it calls a function: the call counts as run from here on.</summary>
    [FieldOffset(0)]
    public long StartedSequence;

    /// <summary>When that was, by the clock that all processes share.</summary>
    [FieldOffset(8)]
    public long StartedAt;

    /// <summary>Written by the worker: of the results that stand behind the published frames, their number and, in the lower half, their bytes.</summary>
    [FieldOffset(128)]
    public ulong Gathered;

    /// <summary>Counts what the parent wants heard even while a call runs; the worker's second thread sleeps on it.</summary>
    [FieldOffset(256)]
    public uint Urgent;
}

/// <summary>
/// The one piece of memory that a parent shares with one worker, and with nobody else: a page of control words, then a ring each way. Its layout is drawn
/// in this room's README.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class RingSegment : IDisposable
{
    public const uint Capacity = 256 * 1024;

    private const int ControlSize = 4096;
    private const ulong Magic = 0x3130_7367_6E69_526D;
    private const int ToWorkerControl = 512;
    private const int ToParentControl = 1024;
    private const int WorkerControlOffset = 1536;
    private const long Size = ControlSize + (2 * Capacity);
    private const nuint Reserved = (nuint)(ControlSize + (4 * Capacity));

    private byte* address;

    private RingSegment(int descriptor, bool isNew)
    {
        // One reservation, and each ring's data mapped into it twice in a row.
        address = Linux.Map(null, Reserved, 0, Linux.MapPrivate | Linux.MapAnonymous | Linux.MapNoReserve, -1, 0);
        if (address == (byte*)-1)
            throw Linux.Failure("Reserving addresses for a ring", Marshal.GetLastPInvokeError());
        try
        {
            Place(descriptor, 0, 0, ControlSize);
            for (int ring = 0; ring < 2; ring++)
            {
                for (int copy = 0; copy < 2; copy++)
                    Place(descriptor, ControlSize + (((2 * ring) + copy) * Capacity), ControlSize + (ring * Capacity), Capacity);
            }

            if (isNew)
                *(ulong*)address = Magic;
            else if (*(ulong*)address != Magic)
                throw new InvalidDataException("What was inherited isn't a ring of this library's build.");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public WorkerControl* Worker => (WorkerControl*)(address + WorkerControlOffset);

    private RingControl* ToWorker => (RingControl*)(address + ToWorkerControl);

    private RingControl* ToParent => (RingControl*)(address + ToParentControl);

    /// <summary>Makes the memory; the descriptor is for the worker, to be closed here once it has it.</summary>
    /// <exception cref="IOException">The system refused.</exception>
    public static RingSegment Create(out int descriptor)
    {
        descriptor = Linux.MemoryFile("manyhands");
        try
        {
            // Without this a machine short of memory would end us at some later write.
            int error = Linux.Allocate(descriptor, 0, Size);
            if (error != 0)
                throw Linux.Failure($"Allocating {Size:N0} bytes of shared memory", error);
            Linux.Seal(descriptor, Linux.SealShrink | Linux.SealGrow | Linux.SealSeal);
            return new RingSegment(descriptor, isNew: true);
        }
        catch
        {
            Linux.Close(descriptor);
            descriptor = -1;
            throw;
        }
    }

    /// <summary>The worker's side: maps what it inherited.</summary>
    public static RingSegment Open(int descriptor) => new(descriptor, isNew: false);

    public RingWriter WriterToWorker() => new(ToWorker, address + ControlSize, Capacity);

    public RingReader ReaderInWorker() => new(ToWorker, address + ControlSize, Capacity);

    public RingWriter WriterToParent() => new(ToParent, address + ControlSize + (2 * Capacity), Capacity);

    public RingReader ReaderInParent() => new(ToParent, address + ControlSize + (2 * Capacity), Capacity);

    public void Dispose()
    {
        if (address is null)
            return;
        _ = Linux.Unmap(address, Reserved);
        address = null;
    }

    private void Place(int descriptor, long at, long offset, nuint length)
    {
        byte* placed = Linux.Map(address + at, length, Linux.ProtectRead | Linux.ProtectWrite, Linux.MapShared | Linux.MapFixed, descriptor, offset);
        if (placed == (byte*)-1)
            throw Linux.Failure("Mapping a ring", Marshal.GetLastPInvokeError());
    }
}
