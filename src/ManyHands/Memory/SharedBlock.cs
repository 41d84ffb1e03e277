using System.Runtime.InteropServices;
using System.Text;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Memory;

/// <summary>What a block holds. The numbers are in the memory of all that share it.</summary>
internal enum SharedKind : uint
{
    Memory = 1,
    Array,
    Value,
    Lock,
    Semaphore,
    Event,
    Barrier,
    Queue,
    Pipe,
}

/// <summary>What a block begins with. The body comes behind it.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct SharedBlockHeader
{
    [FieldOffset(0)]
    public ulong Magic;

    [FieldOffset(8)]
    public SharedKind Kind;

    [FieldOffset(16)]
    public Guid Id;

    [FieldOffset(32)]
    public long BodySize;

    /// <summary>What the kind wants checked by everyone that opens it, such as the size of an array's elements.</summary>
    [FieldOffset(40)]
    public long Detail;

    /// <summary>For how much of it everyone reserves addresses, the header included: more than there is, for a block that grows.</summary>
    [FieldOffset(48)]
    public long Reserved;

    /// <summary>References on their way: each the word of its sender, as a robust lock has it, with a number in its free bits; the receiver takes it out. 0 for none.</summary>
    [FieldOffset(64)]
    public fixed ulong Tickets[MostTickets];

    public const int MostTickets = 8;
}

/// <summary>
/// Memory that processes share, as this process has it: mapped once, however many objects stand for it here. It has no name, so that nothing can be left over:
/// it is gone with the last process that has it. It can't shrink and all of it is there from the start, so that no access to it can fault.
/// </summary>
/// <remarks>
/// Whoever is sent a reference opens the sender's descriptor by way of /proc, which the system allows to processes of the same user. When the last object here
/// is disposed of, private pages of zeros take the place of data, so that a thread which is still at it does no harm; the addresses are given back when nothing
/// refers to the block any more. The descriptor stays open as long as a reference may be on its way: to a call until that has ended, elsewhere until it has arrived, for some seconds at most.
/// </remarks>
internal sealed unsafe class SharedBlock : ISentReference
{
    public const int HeaderSize = 128;

    /// <summary>A result's receiver opens what it is sent at once; this is for one that is very busy.</summary>
    public static TimeSpan TransitTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How soon to look whether a reference has arrived; then it takes ever longer.</summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(300);

    private const int SerialShift = 22;
    private const uint SerialMask = 0x1FF;

    /// <summary>For a machine that is out of it later needs some to say so.</summary>
    private const long Reserve = 16 * 1024 * 1024;

    private const ulong Magic = 0x3130_6B6C_6273_686D;
    private const string Name = "manyhands";
    private const string Target = $"/memfd:{Name} (deleted)";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<Guid, WeakReference<SharedBlock>> Known = [];

    private static uint serials;

    private readonly byte* address;
    private readonly nuint size;
    private readonly List<Transit> transits = [];
    private int descriptor;
    private int users = 1;
    private int callReferences;
    private long unnumberedUntil = long.MinValue;
    private bool isWatched;

    // Another look at the header, for the tickets, where zeros have taken its place.
    private byte* keptHeader;
    private List<NameRegistration>? names;

    private SharedBlock(int descriptor, byte* address, nuint size)
    {
        this.descriptor = descriptor;
        this.address = address;
        this.size = size;
    }

    // Whoever holds the gate waits for no finalizer, so this one can wait for the gate.
    ~SharedBlock() => Guarded.Run(GuardedEntry.BlockFinalizer, this, static block => block.Collected(), static block => $"the shared block {block.Id}");

    private void Collected()
    {
        lock (Gate)
        {
            Forget();
        }

        // That waits for other processes, which a finalizer must not.
        if (names is not null)
            Guarded.Queue(GuardedEntry.BlockNames, names, LeaveNames, static names => $"{names.Count} names of a shared block");
        CloseDescriptor();
        _ = Linux.Unmap(address, size);
    }

    public Guid Id { get; private init; }

    /// <summary>Zeros at first; its address is a multiple of 128.</summary>
    public byte* Body => address + HeaderSize;

    /// <summary>How much of the body can be there at most. All of it is, unless the block grows.</summary>
    public long BodySize => (long)size - HeaderSize;

    /// <inheritdoc cref="SharedBlockHeader.Detail"/>
    public long Detail { get; private init; }

    /// <summary>Whether this process has disposed of it: of data, there are zeros in its place.</summary>
    public bool IsReleased { get; private set; }

    /// <summary>Makes a block, with one user.</summary>
    /// <param name="kind">What it will hold.</param>
    /// <param name="bodySize">How many bytes it has at first.</param>
    /// <param name="detail">See <see cref="SharedBlockHeader.Detail"/>.</param>
    /// <param name="largest">How far it can <see cref="Grow"/>; addresses for that much are taken everywhere, and memory only for what there is.</param>
    /// <exception cref="IOException">There is not that much memory, or no descriptor.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static SharedBlock Create(SharedKind kind, long bodySize, long detail = 0, long largest = 0)
    {
        RefuseOtherSystems();
        long size = HeaderSize + bodySize;
        RefuseMoreThanThereIs(size);
        int descriptor = Linux.MemoryFile(Name);
        try
        {
            int error = Linux.Allocate(descriptor, 0, size);
            if (error != 0)
                throw Linux.Failure($"Allocating {size:N0} bytes of shared memory", error);
            Linux.Seal(descriptor, Linux.SealShrink | (largest > bodySize ? 0 : Linux.SealGrow) | Linux.SealSeal);
            Guid id = Guid.NewGuid();
            long reserved = Math.Max(size, HeaderSize + largest);
            SharedBlock block = new(descriptor, Map(descriptor, (nuint)reserved), (nuint)reserved) { Id = id, Detail = detail, ZeroedFrom = StartOfData(kind) };
            *block.Header = new() { Magic = Magic, Kind = kind, Id = id, BodySize = bodySize, Detail = detail, Reserved = reserved };
            lock (Gate)
                Known.Add(id, new(block));
            return block;
        }
        catch
        {
            Linux.Close(descriptor);
            throw;
        }
    }

    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public static void RefuseOtherSystems()
    {
        if (!SharedSegment.IsSupported)
            throw new PlatformNotSupportedException("Memory is shared between processes on Linux only (x64 and arm64). Pass the data as arguments and results instead.");
    }

    /// <summary>The block that a reference means, with one user more.</summary>
    /// <exception cref="SharedObjectLostException">The sender doesn't have it any more.</exception>
    /// <exception cref="CorruptSharedMemoryException">What is there isn't such a block.</exception>
    /// <exception cref="UnauthorizedAccessException">Its process doesn't let this one look.</exception>
    /// <exception cref="IOException">The system refused: no memory, no descriptor.</exception>
    public static SharedBlock Attach(in SharedReference reference, SharedKind kind)
    {
        lock (Gate)
        {
            if (Known.TryGetValue(reference.Id, out WeakReference<SharedBlock>? known) && known.TryGetTarget(out SharedBlock? block))
            {
                // What else a process may have written there meanwhile, the kind is one's own knowledge of it.
                CheckKind(block.Header->Kind, kind);
                block.users++;
            }
            else
            {
                block = Open(in reference, kind);
                Known[reference.Id] = new(block);
            }

            block.Arrived(in reference);
            return block;
        }
    }

    /// <summary>What others attach with. It can be had, by them, for as long as the reference may be on its way, even if it is released here or nothing refers to it any more.</summary>
    /// <exception cref="ObjectDisposedException">It was released here.</exception>
    public SharedReference Refer(long offset = 0, long length = 0)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(IsReleased, this);
            uint ticket = 0;
            if (PayloadWriter.TryEndWithCall(this))
                callReferences++;
            else
                ticket = BeginTransit();
            return new(Id, ProcessIdentity.Current.Id, descriptor, ProcessIdentity.Current.Start, offset, length, ticket);
        }
    }

    void ISentReference.End()
    {
        lock (Gate)
        {
            callReferences--;
            CloseIfLast();
        }
    }

    /// <summary>How much of the body there is by now, whoever has let it grow.</summary>
    public long CurrentSize
    {
        get
        {
            lock (Gate)
                return IsReleased ? 0 : Linux.Seek(descriptor, 0, 2) - HeaderSize;
        }
    }

    /// <summary>Lets the body have at least that size, for everyone.</summary>
    /// <exception cref="IOException">There is not that much memory.</exception>
    /// <exception cref="ObjectDisposedException">It was released here.</exception>
    public void Grow(long bodySize)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(IsReleased, this);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(bodySize, BodySize);
            long present = Linux.Seek(descriptor, 0, 2);
            if (HeaderSize + bodySize <= present)
                return;
            RefuseMoreThanThereIs(HeaderSize + bodySize - present);
            int error = Linux.Allocate(descriptor, 0, HeaderSize + bodySize);
            if (error != 0)
                throw Linux.Failure($"Growing shared memory to {HeaderSize + bodySize:N0} bytes", error);

            // Who lets it grow is about to write there: one call for all pages costs less than a fault for each. Where the system can't, those come.
            long begin = present & ~(long)(Environment.SystemPageSize - 1);
            _ = Linux.Advise(address + begin, (nuint)(HeaderSize + bodySize - begin), Linux.AdvicePopulateWrite);
        }
    }

    public void AddUser()
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(IsReleased, this);
            users++;
        }
    }

    public void EndUser()
    {
        List<NameRegistration>? left;
        lock (Gate)
        {
            if (--users > 0)
                return;
            left = names;
            names = null;
            Forget();
            IsReleased = true;
            CloseIfLast();

            // A lock that one of our threads has just taken must be left where the others see it; so small things stay until nothing refers to them.
            if (ZeroedFrom >= 0)
                PutZeros();
        }

        if (left is not null)
            LeaveNames(left);
    }

    /// <summary>Whether whoever attaches to it now would find it. May change at once.</summary>
    /// <exception cref="CorruptSharedMemoryException">What is there isn't such a block.</exception>
    /// <exception cref="UnauthorizedAccessException">Its process doesn't let this one look.</exception>
    public static bool IsThere(in SharedReference reference)
    {
        if (new ProcessIdentity(reference.Process, reference.ProcessStart).HasEnded)
            return false;
        lock (Gate)
        {
            if (Known.TryGetValue(reference.Id, out WeakReference<SharedBlock>? known) && known.TryGetTarget(out _))
                return true;
        }

        int descriptor = -1;
        try
        {
            descriptor = OpenDescriptor(in reference);
            return CheckedHeader(descriptor, in reference).Id == reference.Id;
        }
        catch (SharedObjectLostException)
        {
            return false;
        }
        finally
        {
            if (descriptor >= 0)
                Linux.Close(descriptor);
        }
    }

    /// <summary>Has the block leave the name when the last object here is disposed of.</summary>
    /// <returns>The registration that it has for that name: this one, or an earlier one.</returns>
    public static NameRegistration AddName(Guid id, NameRegistration name)
    {
        lock (Gate)
        {
            SharedBlock? block = Known.TryGetValue(id, out WeakReference<SharedBlock>? known) && known.TryGetTarget(out SharedBlock? here) ? here : null;
            ObjectDisposedException.ThrowIf(block is null, typeof(SharedObject));
            block.names ??= [];
            if (block.names.Find(other => other.IsOf(name)) is { } earlier)
                return earlier;
            block.names.Add(name);
            return name;
        }
    }

    public static void RemoveName(Guid id, NameRegistration name)
    {
        lock (Gate)
        {
            if (Known.TryGetValue(id, out WeakReference<SharedBlock>? known) && known.TryGetTarget(out SharedBlock? block))
                block.names?.Remove(name);
        }
    }

    /// <summary>Nobody comes for it by this reference, which is not on its way but kept.</summary>
    public static void Keep(in SharedReference reference)
    {
        lock (Gate)
        {
            if (Known.TryGetValue(reference.Id, out WeakReference<SharedBlock>? known) && known.TryGetTarget(out SharedBlock? block))
                block.Arrived(in reference);
        }
    }

    private void PutZeros()
    {
        if (descriptor >= 0 && ZeroedFrom == 0 && transits.Count > 0)
            KeepHeader();
        byte* replaced = Linux.Map(address + ZeroedFrom, size - (nuint)ZeroedFrom, Linux.ProtectRead | Linux.ProtectWrite, Linux.MapPrivate | Linux.MapAnonymous | Linux.MapNoReserve | Linux.MapFixed, -1, 0);
        if (replaced == (byte*)-1)
            throw Linux.Failure("Giving shared memory back", Marshal.GetLastPInvokeError());
    }

    private uint BeginTransit()
    {
        long due = Environment.TickCount64 + (long)TransitTime.TotalMilliseconds;
        uint serial = ++serials & SerialMask;
        ulong word = RobustLock.Own | ((ulong)serial << SerialShift);
        int place = TakePlace(word, (int)(serial % SharedBlockHeader.MostTickets));
        if (place >= 0)
            transits.Add(new(place, word, due));
        else
            unnumberedUntil = due;
        if (!isWatched)
        {
            isWatched = true;
            WatchIn(FirstLook);
        }

        return place < 0 ? 0 : (serial << 8) | (uint)(place + 1);
    }

    // Where all are taken, one that a dead process has left there; it would take too long to look at all.
    private int TakePlace(ulong word, int candidate)
    {
        ulong* tickets = Tickets;
        for (int place = 0; place < SharedBlockHeader.MostTickets; place++)
        {
            if (Volatile.Read(ref tickets[place]) == 0 && Interlocked.CompareExchange(ref tickets[place], word, 0) == 0)
                return place;
        }

        ulong seen = Volatile.Read(ref tickets[candidate]);
        return RobustLock.HasOwnerEnded(seen & ~((ulong)SerialMask << SerialShift)) && Interlocked.CompareExchange(ref tickets[candidate], word, seen) == seen ? candidate : -1;
    }

    private void Arrived(in SharedReference reference)
    {
        uint place = (reference.Ticket & 0xFF) - 1;
        if (place >= SharedBlockHeader.MostTickets)
            return;
        ulong word = ((ulong)reference.ProcessStart << 32) | ((ulong)((reference.Ticket >> 8) & SerialMask) << SerialShift) | (uint)reference.Process;
        Interlocked.CompareExchange(ref Header->Tickets[place], 0, word);
    }

    // Also keeps a block here to which nothing refers, as one that a function has made and returned, until its receiver has it.
    private void WatchIn(TimeSpan delay)
    {
        TimeSpan next = delay < LongestLook ? delay * 2 : LongestLook;
        Deadlines.After(delay, () => LookAfterTransit(next), failed: _ => WatchIn(next));
    }

    private void LookAfterTransit(TimeSpan nextDelay)
    {
        lock (Gate)
        {
            isWatched = IsInTransit();
            if (!isWatched)
                CloseIfLast();
            else
                WatchIn(nextDelay);
        }
    }

    private bool IsInTransit()
    {
        long now = Environment.TickCount64;
        ulong* tickets = Tickets;
        for (int i = transits.Count - 1; i >= 0; i--)
        {
            Transit transit = transits[i];
            if (Volatile.Read(ref tickets[transit.Place]) == transit.Word)
            {
                if (now < transit.Due)
                    continue;
                Interlocked.CompareExchange(ref tickets[transit.Place], 0, transit.Word);
            }

            transits.RemoveAt(i);
        }

        return transits.Count > 0 || now < unnumberedUntil;
    }

    // The last one is whoever has used it, or may come for it.
    private void CloseIfLast()
    {
        if (IsReleased && callReferences == 0 && descriptor >= 0 && !IsInTransit())
            CloseDescriptor();
    }

    private void CloseDescriptor()
    {
        if (descriptor >= 0)
            Linux.Close(descriptor);
        descriptor = -1;
        if (keptHeader is not null)
            _ = Linux.Unmap(keptHeader, HeaderSize);
        keptHeader = null;
    }

    // Without it, nobody learns that they have arrived; then they have their time.
    private void KeepHeader()
    {
        byte* mapped = Linux.Map(null, HeaderSize, Linux.ProtectRead | Linux.ProtectWrite, Linux.MapShared, descriptor, 0);
        if (mapped != (byte*)-1)
        {
            keptHeader = mapped;
            return;
        }

        unnumberedUntil = Environment.TickCount64 + (long)TransitTime.TotalMilliseconds;
        transits.Clear();
    }

    /// <summary>Where the data begins that is replaced by zeros; negative for none.</summary>
    private long ZeroedFrom { get; init; }

    private SharedBlockHeader* Header => (SharedBlockHeader*)address;

    private ulong* Tickets => ((SharedBlockHeader*)(keptHeader is null ? address : keptHeader))->Tickets;

    private readonly record struct Transit(int Place, ulong Word, long Due);

    private static SharedBlock Open(in SharedReference reference, SharedKind kind)
    {
        int descriptor = OpenDescriptor(in reference);
        try
        {
            SharedBlockHeader header = CheckedHeader(descriptor, in reference);
            if (header.Id != reference.Id)
                throw Lost(in reference);
            CheckKind(header.Kind, kind);
            return new SharedBlock(descriptor, Map(descriptor, (nuint)header.Reserved), (nuint)header.Reserved) { Id = header.Id, Detail = header.Detail, ZeroedFrom = StartOfData(kind) };
        }
        catch
        {
            Linux.Close(descriptor);
            throw;
        }
    }

    private static SharedBlockHeader CheckedHeader(int descriptor, in SharedReference reference)
    {
        int seals = Linux.Seals(descriptor);
        long size = Linux.Seek(descriptor, 0, 2);
        if (seals < 0 || (seals & Linux.SealShrink) == 0 || size <= HeaderSize)
            throw Lost(in reference);
        SharedBlockHeader header = ReadHeader(descriptor);
        if (header.Magic != Magic || header.BodySize < 0 || header.BodySize > size - HeaderSize || header.Reserved < size || (header.Reserved > size && (seals & Linux.SealGrow) != 0))
        {
            throw new CorruptSharedMemoryException(
                $"The memory that process {reference.Process} shares begins with {header.Magic:X} and sizes of {header.BodySize:N0} and {header.Reserved:N0} bytes where it has {size:N0}; it was overwritten, or comes from another version.");
        }

        return header;
    }

    private static SharedBlockHeader ReadHeader(int descriptor)
    {
        byte* page = Map(descriptor, HeaderSize);
        SharedBlockHeader header = *(SharedBlockHeader*)page;
        _ = Linux.Unmap(page, HeaderSize);
        return header;
    }

    // A number that is used again may stand for anything, such as a pipe that opening would wait for: so first a look at what it is.
    private static int OpenDescriptor(in SharedReference reference)
    {
        string path = $"/proc/{reference.Process}/fd/{reference.Descriptor}";
        string? target = Linux.TryReadLink(path, out int error);
        if (new ProcessIdentity(reference.Process, reference.ProcessStart).HasEnded || (target is not null && target != Target))
            throw Lost(in reference);
        if (target is null)
            throw Unreadable(in reference, path, error);
        fixed (byte* text = Encoding.UTF8.GetBytes(path + "\0"))
        {
            int descriptor = Linux.Open(text, Linux.OpenReadWrite | Linux.OpenCloseOnExec | Linux.OpenNonBlocking);
            return descriptor >= 0 ? descriptor : throw Unreadable(in reference, path, Marshal.GetLastPInvokeError());
        }
    }

    // That it can't be looked at is no reason to think that it is gone.
    private static Exception Unreadable(in SharedReference reference, string path, int error)
    {
        // There is a process: that it has no such descriptor says something only if one can see those that it has. Its folder is no link, which is how that is known without a descriptor of one's own.
        if (error is Linux.ErrorNoEntry or Linux.ErrorNoProcess or Linux.ErrorNoDevice)
        {
            _ = Linux.TryReadLink($"/proc/{reference.Process}/fd", out int ofFolder);
            if (ofFolder == Linux.ErrorInvalid || new ProcessIdentity(reference.Process, reference.ProcessStart).HasEnded)
                return Lost(in reference, Linux.Failure($"Opening {path}", error));
        }

        return error is Linux.ErrorAccess or Linux.ErrorNotPermitted or Linux.ErrorNoEntry
            ? new UnauthorizedAccessException($"Process {reference.Process} has the object and other privileges than this one, which may not look at what it has open; run both with the same user and capabilities.")
            : Linux.Failure($"Opening {path}", error);
    }

    private static void LeaveNames(List<NameRegistration> names)
    {
        foreach (NameRegistration name in names)
            name.Leave();
    }

    // Who has a pipe's ends is in its first pages, and is changed also when this process has none any more.
    private static long StartOfData(SharedKind kind) => kind switch
    {
        SharedKind.Memory or SharedKind.Array or SharedKind.Queue => 0,
        SharedKind.Pipe => 2 * 4096,
        _ => -1,
    };

    private static SharedObjectLostException Lost(in SharedReference reference, Exception? inner = null) => new(
        $"Process {reference.Process}, which sent a shared object, has ended, or disposed of it and waited in vain for its receiver (or is another user's), and nobody here has it. Keep the object until its receiver has it.", inner);

    private static void CheckKind(SharedKind found, SharedKind expected)
    {
        if (found != expected)
            throw new CorruptSharedMemoryException($"The shared memory holds a {found} ({(uint)found}) and not a {expected}; it was overwritten, or comes from another version.");
    }

    // Where the system would rather kill somebody than refuse.
    private static void RefuseMoreThanThereIs(long size)
    {
        long available = Math.Min(SystemMemory.Available(), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes) - Reserve;
        if (size > available)
            throw new IOException($"{size:N0} bytes of shared memory are more than the {Math.Max(available, 0):N0} that this machine or container has left.");
    }

    private static byte* Map(int descriptor, nuint size)
    {
        byte* mapped = Linux.Map(null, size, Linux.ProtectRead | Linux.ProtectWrite, Linux.MapShared, descriptor, 0);
        return mapped == (byte*)-1 ? throw Linux.Failure($"Mapping {size:N0} bytes of shared memory", Marshal.GetLastPInvokeError()) : mapped;
    }

    // The place may be another's by now: who was sent the memory again before this one was finalized.
    private void Forget()
    {
        if (Known.TryGetValue(Id, out WeakReference<SharedBlock>? known) && (!known.TryGetTarget(out SharedBlock? block) || block == this))
            Known.Remove(Id);
    }
}
