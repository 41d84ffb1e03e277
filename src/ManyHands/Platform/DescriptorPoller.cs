using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace ManyHands.Platform;

/// <summary>
/// One thread that waits for many descriptors to become readable and calls back. It ends, and gives its own descriptor back, when there has been
/// nothing to wait for during a while.
/// </summary>
/// <remarks>A callback that throws is called again, as its descriptor is still readable; after some times in a row it is given up.</remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class DescriptorPoller(string threadName)
{
    private const int MostEvents = 64;
    private const int MostFaults = 3;

    // struct epoll_event is packed on x86-64 only.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int EventDataOffset = EventSize - 8;

    private readonly Lock gate = new();
    private readonly Dictionary<int, Watched> watched = [];
    private int epoll = -1;

    private string Name => threadName;

    /// <summary>Calls back on the poller's thread whenever the descriptor is readable or at its end, until <see cref="Remove"/>.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="readable">What to do.</param>
    /// <param name="givenUp">Called instead, once, when that has thrown too often; the descriptor isn't watched any more.</param>
    public void Add(int descriptor, Action readable, Action<Exception> givenUp)
    {
        lock (gate)
        {
            if (epoll < 0)
            {
                epoll = Linux.Check(Linux.EpollCreate(Linux.EpollCloseOnExec), "epoll_create1");
                try
                {
                    Guarded.StartService(GuardedEntry.Poller, threadName, Run);
                }
                catch
                {
                    Linux.Close(epoll);
                    epoll = -1;
                    throw;
                }
            }

            watched[descriptor] = new(readable, givenUp);
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
                Watched? one;
                lock (gate)
                    watched.TryGetValue(descriptor, out one);
                if (one is not null && Guarded.Run(GuardedEntry.PollerCallback, (Poller: this, Descriptor: descriptor, One: one), static it => it.One.Readable(), static it => $"the descriptor {it.Descriptor} of {it.Poller.Name}", static (it, unforeseen) => it.Poller.OnFault(it.Descriptor, it.One, unforeseen)))
                    one.Faults = 0;
            }
        }
    }

    private void OnFault(int descriptor, Watched one, Exception unforeseen)
    {
        if (++one.Faults < MostFaults)
            return;
        Remove(descriptor);
        one.GivenUp(unforeseen);
    }

    private sealed class Watched(Action readable, Action<Exception> givenUp)
    {
        public Action Readable => readable;

        public Action<Exception> GivenUp => givenUp;

        public int Faults { get; set; }
    }
}
