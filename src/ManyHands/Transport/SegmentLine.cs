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
    public SharedSegment Receive(long id, bool mayWait)
    {
        long number = 0;
        byte* control = stackalloc byte[ControlSize];
        Linux.IoVector vector = new() { Start = (byte*)&number, Length = sizeof(long) };
        Linux.MessageHeader message = new() { Vectors = &vector, VectorCount = 1, ControlData = control, ControlLength = ControlSize };
        nint read;
        do
        {
            read = Linux.ReceiveMessage(socket, &message, Linux.SocketMessageCloseOnExec | (mayWait ? 0 : Linux.SocketMessageDontWait));
        }
        while (read < 0 && Marshal.GetLastPInvokeError() == Linux.ErrorInterrupted);
        bool hasDescriptor = read > 0 && message.ControlLength >= ControlHeaderSize + sizeof(int) && *(int*)(control + 12) == RightsMessage;
        int descriptor = hasDescriptor ? *(int*)(control + ControlHeaderSize) : -1;
        if (read != sizeof(long) || number != id || descriptor < 0)
        {
            if (descriptor >= 0)
                Linux.Close(descriptor);
            throw new InvalidDataException($"A payload is said to be in the segment {id}, which was not sent (got {read} bytes, segment {number}).");
        }

        return SharedSegment.Open(id, descriptor);
    }

    public void Dispose()
    {
        if (socket < 0)
            return;
        Linux.Close(socket);
        socket = -1;
    }
}
