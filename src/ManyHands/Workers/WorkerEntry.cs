using System.Globalization;
using System.Net.Sockets;
using ManyHands.Platform;
using ManyHands.Transport;

namespace ManyHands.Workers;

/// <summary>The main function of a child process.</summary>
internal static class WorkerEntry
{
    private const int OutOfTheWay = 200;
    private const char BeforeBuild = ':';

    /// <summary>Where a child finds <see cref="Run"/>, and in which build of the library that is.</summary>
    internal static string Address => $"{((Func<string[], int>)Run).Method.MetadataToken.ToString(CultureInfo.InvariantCulture)}{BeforeBuild}{Build}";

    private static string Build => typeof(WorkerEntry).Module.ModuleVersionId.ToString();

    /// <summary>Called by ManyHands.Worker.dll, by token.</summary>
    /// <param name="arguments">This method's <see cref="Address"/> as the parent knows it, how to reach the parent, then the worker's name, which is only for whoever reads a list of processes.</param>
    internal static int Run(string[] arguments)
    {
        // Before a word is said: two builds may mean different things by it.
        if (arguments is [{ } address, ..] && !(address.Split(BeforeBuild) is [_, { } wanted] && wanted == Build))
        {
            Console.Error.WriteLine(
                $"ManyHands.dll was replaced while the program ran: the program runs build {address[(address.IndexOf(BeforeBuild, StringComparison.Ordinal) + 1)..]}, and its worker found build {Build} in {typeof(WorkerEntry).Assembly.Location}. Restart the program.");
            return 2;
        }

        FaultPoint.EnterChild();
        FaultPoint.Reach(FaultStep.ChildEntered);
        WorkerPreparation preparation = new();
        Channel channel;
        switch (arguments)
        {
            case [_, "--rings", _] when OperatingSystem.IsLinux():
                channel = Rings();
                break;
            case [_, "--socket", _] when OperatingSystem.IsLinux():
                channel = InheritedSocket();
                break;
            case [_, "--connect", _]:
                channel = Connect();
                break;
            default:
                Console.Error.WriteLine("ManyHands.Worker is started by the ManyHands library, for Pool.Processes and WorkerProcess; it does nothing by itself.");
                return 2;
        }

        FaultPoint.Reach(FaultStep.ChildConnected);
        WorkerLoop loop = new(channel, preparation);
        preparation.Loop = loop;
        return loop.Run();
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static RingChannel Rings()
    {
        RingSegment rings = RingSegment.Open(LinuxChildProcess.MemoryDescriptor);
        Linux.Close(LinuxChildProcess.MemoryDescriptor);
        KeepDescriptors();
        return new RingChannel(rings, LinuxChildProcess.ChannelDescriptor, isWorker: true);
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static SocketChannel InheritedSocket()
    {
        KeepDescriptors();
        return new SocketChannel(new Socket(new SafeSocketHandle(LinuxChildProcess.ChannelDescriptor, ownsHandle: true)), sendWaits: true);
    }

    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static void KeepDescriptors()
    {
        // Not for what the functions start: a grandchild must hold neither end of anything.
        Linux.CloseOnExec(LinuxChildProcess.ChannelDescriptor);
        Linux.CloseOnExec(LinuxChildProcess.LifelineDescriptor);

        // It holds as long as a copy of it is open. Functions that close descriptors close the low ones.
        _ = Linux.TryDuplicateAbove(LinuxChildProcess.LifelineDescriptor, OutOfTheWay);

        // The parent may have ended before it could set that up, or before this line.
        if (Linux.IsAtEnd(LinuxChildProcess.LifelineDescriptor))
            OwnEnd.Kill();
    }

    private static SocketChannel Connect()
    {
        string address = Console.In.ReadLine() ?? throw new EndOfStreamException("The parent ended before it said where to connect.");
        byte[] secret = Convert.FromHexString(Console.In.ReadLine() ?? "");
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        FaultPoint.Reach(FaultStep.ChildConnecting);
        socket.Connect(new UnixDomainSocketEndPoint(address));
        socket.Send(secret);
        Guarded.StartThread(
            GuardedEntry.ParentWatch,
            "ManyHands parent watch",
            static () =>
            {
                // Standard input says nothing more; its end is the parent's end.
                while (Console.In.Read() >= 0)
                {
                }

                OwnEnd.Kill();
            },
            failed: static _ => OwnEnd.Kill());
        return new SocketChannel(socket, sendWaits: true);
    }
}

/// <summary>Ends of this process that nothing in it can delay.</summary>
internal static class OwnEnd
{
    public static void Kill()
    {
        if (!OperatingSystem.IsWindows())
        {
            // The group is ours only if we lead it.
            if (OperatingSystem.IsLinux() && Linux.ProcessGroup(0) == Environment.ProcessId)
                _ = Linux.Kill(0, Linux.Sigkill);
            _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        }

        System.Diagnostics.Process.GetCurrentProcess().Kill(entireProcessTree: true);
    }

    /// <summary>Ends a worker that can't go on, so that its parent sees it crash and reads why.</summary>
    public static void Fail(Exception unforeseen) => Environment.FailFast(ExceptionText.Of(unforeseen));

    /// <summary>Exits in order, handlers of <see cref="AppDomain.ProcessExit"/> included, and then dies of SIGTERM, so that the parent sees what happened.</summary>
    public static void ExitByTermination()
    {
        if (!OperatingSystem.IsWindows())
        {
            // Registered last, so called last.
            Guarded.OnProcessExit(GuardedEntry.ProcessExit, static () =>
            {
                _ = Linux.SetSignalHandler(Linux.Sigterm, 0);
                _ = Linux.Kill(Environment.ProcessId, Linux.Sigterm);
            });
        }

        Environment.Exit(128 + Linux.Sigterm);
    }
}
