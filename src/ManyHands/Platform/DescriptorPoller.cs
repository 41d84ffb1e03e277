using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace ManyHands.Platform;

/// <summary>
/// One thread that waits for many descriptors to become readable and calls back. It ends, and gives its own descriptor back, when there has been
/// nothing to wait for during a while.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class DescriptorPoller(string threadName)
{
    private const int MostEvents = 64;

    // struct epoll_event is packed on x86-64 only.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int EventDataOffset = EventSize - 8;

    private readonly Lock gate = new();
    private readonly Dictionary<int, Action> watched = [];
    private int epoll = -1;

    /// <summary>Calls back on the poller's thread whenever the descriptor is readable or at its end, until <see cref="Remove"/>.</summary>
    public void Add(int descriptor, Action readable)
    {
        lock (gate)
        {
            if (epoll < 0)
            {
                epoll = Linux.Check(Linux.EpollCreate(Linux.EpollCloseOnExec), "epoll_create1");
                new Thread(Run) { Name = threadName, IsBackground = true }.UnsafeStart();
            }

            watched[descriptor] = readable;
            byte* change = stackalloc byte[16];
            *(uint*)change = Linux.EpollReadable;
            *(long*)(change + EventDataOffset) = descriptor;
            if (Linux.EpollControl(epoll, Linux.EpollAdd, descriptor, change) < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                watched.Remove(descriptor);
                throw Linux.Failure("epoll_ctl", error);
            }
        }
    }

    /// <summary>Ends the watching; call it before the descriptor is closed.</summary>
    public void Remove(int descriptor)
    {
        lock (gate)
        {
            if (!watched.Remove(descriptor))
                return;
            byte* unused = stackalloc byte[16];
            Linux.EpollControl(epoll, Linux.EpollDelete, descriptor, unused);
        }
    }

    private void Run()
    {
        byte* events = stackalloc byte[MostEvents * 16];
        while (true)
        {
            int count = Linux.EpollWait(epoll, events, MostEvents, (int)IdleThreads.Time.TotalMilliseconds);
            if (count == 0)
            {
                lock (gate)
                {
                    if (watched.Count > 0)
                        continue;
                    Linux.Close(epoll);
                    epoll = -1;
                    return;
                }
            }

            for (int i = 0; i < count; i++)
            {
                int descriptor = (int)*(long*)(events + (i * EventSize) + EventDataOffset);
                Action? readable;
                lock (gate)
                    watched.TryGetValue(descriptor, out readable);
                readable?.Invoke();
            }
        }
    }
}
