using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ManyHands.Platform;

namespace ManyHands.Transport;

/// <summary>A socket between a parent and a worker over which descriptors of segments go, each with its number. Nothing else reaches them.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SegmentLine(int socket) : IDisposable
{
    private const int RightsMessage = 1;
    private const int SocketLevel = 1;

    // struct cmsghdr: length, level, type, then one descriptor, padded.
    private const int ControlHeaderSize = 16;
    private const int ControlSize = 24;

    /// <summary>As many as a channel has mapped at a time.</summary>
    private const int MostOwed = 64;

    // What was sent while no descriptor was free: still in the socket, among it what is freed meanwhile; out of it, but not asked for yet; gone.
    private readonly HashSet<long> owed = [];
    private readonly HashSet<long> unwanted = [];
    private readonly Dictionary<long, SharedSegment> arrived = [];
    private readonly HashSet<long> lost = [];
    private int socket = socket;

    /// <summary>Sends a descriptor that can only read the segment.</summary>
    /// <exception cref="IOException">The system refused; not thrown if the other side is gone.</exception>
    public void Send(SharedSegment segment)
    {
        int descriptor = segment.ReadOnlyDescriptor();
        try
        {
            long id = segment.Id;
            byte* control = stackalloc byte[ControlSize];
            new Span<byte>(control, ControlSize).Clear();
            *(nuint*)control = ControlHeaderSize + sizeof(int);
            *(int*)(control + 8) = SocketLevel;
            *(int*)(control + 12) = RightsMessage;
            *(int*)(control + ControlHeaderSize) = descriptor;
            Linux.IoVector vector = new() { Start = (byte*)&id, Length = sizeof(long) };
            Linux.MessageHeader message = new() { Vectors = &vector, VectorCount = 1, ControlData = control, ControlLength = ControlSize };
            while (Linux.SendMessage(socket, &message, Linux.SocketMessageNoSignal) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Linux.ErrorInterrupted)
                    continue;
                if (error is Linux.ErrorBrokenPipe or Linux.ErrorConnectionReset)
                    return;
                throw Linux.Failure("sendmsg", error);
            }
        }
        finally
        {
            Linux.Close(descriptor);
        }
    }

    /// <summary>Receives the segment that must have been sent before it was spoken of.</summary>
    /// <exception cref="InvalidDataException">It wasn't, or is none.</exception>
    /// <exception cref="IOException">This process has no descriptor left for it. It waits, and can be received later.</exception>
    public SharedSegment Receive(long id, bool mayWait)
    {
        if (arrived.Remove(id, out SharedSegment? there))
            return there;
        if (lost.Contains(id))
            throw Lost(id);
        try
        {
            Linux.Close(Linux.DuplicateAbove(socket, 0));
        }
        catch (IOException)
        {
            Owe(id);
            throw;
        }

        while (true)
        {
            (long number, int descriptor) = ReceiveNext(id, mayWait && !owed.Contains(id), out bool wasLost);
            bool wasOwed = owed.Remove(number);
            if (unwanted.Remove(number))
            {
                if (descriptor >= 0)
                    Linux.Close(descriptor);
                continue;
            }

            if (number != id && !wasOwed)
                throw NotSent(id, descriptor, $"segment {number} came");
            if (wasLost)
                lost.Add(number);
            if (wasLost && number == id)
                throw Lost(id);
            if (wasLost)
                continue;
            SharedSegment segment = SharedSegment.Open(number, descriptor);
            if (number == id)
                return segment;
            arrived.Add(number, segment);
        }
    }

    /// <summary>The other side has freed a segment that <see cref="Receive"/> has not given out.</summary>
    public void Forget(long id)
    {
        if (arrived.Remove(id, out SharedSegment? segment))
            segment.Free();
        else if (!lost.Remove(id) && owed.Contains(id))
            unwanted.Add(id);
    }

    public void Dispose()
    {
        if (socket < 0)
            return;
        foreach (SharedSegment segment in arrived.Values)
            segment.Free();
        arrived.Clear();
        Linux.Close(socket);
        socket = -1;
    }

    // The kernel puts as many descriptors into this process as there is room for in the buffer: one.
    private (long Number, int Descriptor) ReceiveNext(long id, bool mayWait, out bool wasLost)
    {
        long number = 0;
        byte* control = stackalloc byte[ControlSize];
        Linux.IoVector vector = new() { Start = (byte*)&number, Length = sizeof(long) };
        Linux.MessageHeader message = new() { Vectors = &vector, VectorCount = 1, ControlData = control, ControlLength = ControlHeaderSize + sizeof(int) };
        nint read;
        do
        {
            read = Linux.ReceiveMessage(socket, &message, Linux.SocketMessageCloseOnExec | (mayWait ? 0 : Linux.SocketMessageDontWait));
        }
        while (read < 0 && Marshal.GetLastPInvokeError() == Linux.ErrorInterrupted);
        bool hasDescriptor = read > 0 && message.ControlLength >= ControlHeaderSize + sizeof(int) && *(int*)(control + 12) == RightsMessage;
        int descriptor = hasDescriptor ? *(int*)(control + ControlHeaderSize) : -1;
        bool wasCut = read > 0 && (message.Flags & Linux.SocketMessageControlCut) != 0;

        // One was sent, and another thread took the last that was free.
        wasLost = wasCut && !hasDescriptor;
        if (read != sizeof(long) || (wasCut && hasDescriptor) || (!wasCut && !hasDescriptor))
            throw NotSent(id, descriptor, $"{read} bytes came, with {(hasDescriptor ? wasCut ? "several descriptors" : "a descriptor" : "none")}");
        return (number, descriptor);
    }

    private void Owe(long id)
    {
        if (owed.Count >= MostOwed && !owed.Contains(id))
            throw new InvalidDataException($"More than {MostOwed} segments from one process.");
        owed.Add(id);
    }

    private static InvalidDataException NotSent(long id, int descriptor, string what)
    {
        if (descriptor >= 0)
            Linux.Close(descriptor);
        return new InvalidDataException($"A payload is said to be in the segment {id}, which was not sent ({what}).");
    }

    private static IOException Lost(long id) => new($"The segment {id} was sent when this process had no descriptor left for it, and is lost. {Linux.MoreDescriptors}");
}
