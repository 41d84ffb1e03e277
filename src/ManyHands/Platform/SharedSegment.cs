using System.Buffers;
using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>
/// A piece of anonymous memory that other processes can map as well. Nobody can shrink it, so no access to it can ever fault; its pages
/// are there from the start, so a machine short of memory refuses here and not at some later access.
/// </summary>
internal sealed unsafe class SharedSegment : MemoryManager<byte>
{
    /// <summary>The largest that one payload can ask for.</summary>
    private const long LargestSize = 0x8000_0000;

    private byte* address;
    private int descriptor;
    private int uses;

    private SharedSegment(long id, int descriptor, byte* address, nuint size)
    {
        Id = id;
        this.descriptor = descriptor;
        this.address = address;
        Size = size;
    }

    /// <summary>Whether this system has what segments need.</summary>
    public static bool IsSupported { get; } = OperatingSystem.IsLinux() && Linux.IsKnownArchitecture;

    /// <summary>How the owner and those it is sent to call it.</summary>
    public long Id { get; }

    public nuint Size { get; }

    public byte* Address => address;

    /// <summary>-1 once it was given away, and for one that came from another process and is mapped.</summary>
    public int Descriptor => descriptor;

    /// <summary>Makes a segment.</summary>
    /// <exception cref="IOException">The system refused: no memory, no descriptor.</exception>
    public static SharedSegment Create(long id, nuint size)
    {
        int descriptor = Linux.MemoryFile("manyhands");
        try
        {
            int error = Linux.Allocate(descriptor, 0, (long)size);
            if (error != 0)
                throw Linux.Failure($"Allocating {size:N0} bytes of shared memory", error);
            Linux.Seal(descriptor, Linux.SealShrink | Linux.SealGrow | Linux.SealSeal);
            return new SharedSegment(id, descriptor, Map(descriptor, size, Linux.ProtectRead | Linux.ProtectWrite), size);
        }
        catch
        {
            Linux.Close(descriptor);
            throw;
        }
    }

    /// <summary>Takes over what another process made and sent. It is mapped by <see cref="MapForReading"/>.</summary>
    /// <exception cref="InvalidDataException">It isn't sealed anonymous memory of a plausible size; the descriptor is closed.</exception>
    public static SharedSegment Open(long id, int descriptor)
    {
        int seals = Linux.Seals(descriptor);
        long size = Linux.Seek(descriptor, 0, 2);
        if (seals >= 0 && (seals & Linux.SealShrink) != 0 && size is > 0 and <= LargestSize)
            return new SharedSegment(id, descriptor, null, (nuint)size);
        Linux.Close(descriptor);
        throw new InvalidDataException($"A segment of {size:N0} bytes with the seals {seals} is none of ours.");
    }

    /// <summary>Maps one that came from another process, unless it is. After a refusal it can be tried again.</summary>
    /// <exception cref="IOException">The system refused: no addresses, or a descriptor that can't be read.</exception>
    public void MapForReading()
    {
        if (address is not null)
            return;
        address = Map(descriptor, Size, Linux.ProtectRead);
        Linux.Close(descriptor);
        descriptor = -1;
    }

    /// <summary>One more user; each gives it back to its pool.</summary>
    public void AddUse() => Interlocked.Increment(ref uses);

    /// <summary>True for the last user.</summary>
    public bool EndUse() => Interlocked.Decrement(ref uses) == 0;

    /// <summary>A descriptor that can only read the segment, for a process that must not write to it.</summary>
    public int ReadOnlyDescriptor()
    {
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes($"/proc/self/fd/{descriptor}\0"))
            return Linux.Check(Linux.Open(path, Linux.OpenReadOnly | Linux.OpenCloseOnExec), "open");
    }

    public override Span<byte> GetSpan() => new(address, (int)Math.Min(Size, int.MaxValue));

    public override MemoryHandle Pin(int elementIndex = 0) => new(address + elementIndex);

    public override void Unpin()
    {
    }

    public void Free() => Dispose(disposing: true);

    protected override void Dispose(bool disposing)
    {
        if (address is not null)
            _ = Linux.Unmap(address, Size);
        address = null;
        if (descriptor >= 0)
            Linux.Close(descriptor);
        descriptor = -1;
    }

    private static byte* Map(int descriptor, nuint size, int protection)
    {
        byte* mapped = Linux.Map(null, size, protection, Linux.MapShared, descriptor, 0);
        return mapped == (byte*)-1 ? throw Linux.Failure($"Mapping {size:N0} bytes of shared memory", Marshal.GetLastPInvokeError()) : mapped;
    }
}
