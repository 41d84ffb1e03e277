using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>The ways in which a pool starts and reaches its workers; what is contained must not depend on them.</summary>
public enum TransportUnderTest
{
    /// <summary>What users get who choose nothing.</summary>
    Automatic,

    /// <summary>Frames over the inherited socket, where shared memory isn't allowed or wanted.</summary>
    Sockets,

    /// <summary>The way of starting and reaching workers that other platforms take.</summary>
    Portable,
}

public static class Transports
{
    /// <summary>All of them. A new one is added here and in <see cref="Over"/>.</summary>
    public static TransportUnderTest[] Known { get; } = [TransportUnderTest.Automatic, TransportUnderTest.Sockets, TransportUnderTest.Portable];

    /// <summary>One for each way of starting and ending workers, for what has nothing to do with frames.</summary>
    public static TransportUnderTest[] WaysOfStarting { get; } = LongRun.IsOn ? Known : [TransportUnderTest.Automatic, TransportUnderTest.Portable];

    public static TheoryData<TransportUnderTest> All => [.. Known];

    public static TheoryData<TransportUnderTest> AllThatStart => [.. WaysOfStarting];

    /// <summary>For what takes long.</summary>
    public static TheoryData<TransportUnderTest> AllThatEndure => [.. LongRun.IsOn ? Known : [TransportUnderTest.Automatic]];

    /// <summary>Those whose workers get no descriptor but those that are meant for them; the portable way can't choose.</summary>
    public static TheoryData<TransportUnderTest> AllThatChooseDescriptors => [.. Known.Except([TransportUnderTest.Portable])];

    public static ProcessPoolOptions Over(this ProcessPoolOptions options, TransportUnderTest transport) => transport switch
    {
        TransportUnderTest.Sockets => options with { Transport = WorkerTransport.Sockets },
        TransportUnderTest.Portable => options with { Portable = true },
        _ => options,
    };
}

/// <summary>Whether tests may take many minutes: <c>./build test --long</c>.</summary>
public static class LongRun
{
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("MANYHANDS_LONG") == "1";
}
