using System.Runtime.CompilerServices;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Names the instantiations that calls of ordinary functions need, so that the ahead-of-time compiler makes them part of the library's image:
/// otherwise every worker compiles them before its first call. Nothing runs this. Types of references share one instantiation, for which <c>object</c> stands.
/// </summary>
internal static class CommonForms
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Name(ref PayloadReader reader)
    {
        WithResults<Arguments>(ref reader);
        WithResults<Arguments<object>>(ref reader);
        WithResults<Arguments<int>>(ref reader);
        WithResults<Arguments<long>>(ref reader);
        WithResults<Arguments<double>>(ref reader);
        WithResults<Arguments<object, object>>(ref reader);
        WithResults<Arguments<int, int>>(ref reader);
        WithResults<Arguments<object, int>>(ref reader);
        WithResults<Arguments<object, object, object>>(ref reader);
    }

    private static void WithResults<TArguments>(ref PayloadReader reader)
        where TArguments : struct, IArguments<TArguments>
    {
        Name<TArguments, NoResult>(ref reader);
        Name<TArguments, object>(ref reader);
        Name<TArguments, bool>(ref reader);
        Name<TArguments, int>(ref reader);
        Name<TArguments, long>(ref reader);
        Name<TArguments, double>(ref reader);
    }

    private static void Name<TArguments, TResult>(ref PayloadReader reader)
        where TArguments : struct, IArguments<TArguments>
    {
        using PayloadWriter writer = new();
        ResolvedFunction<TArguments, TResult> function = new("", null!, typeof(object), null, null);
        function.RunAsync(default, null!, writer, null).AsTask().Wait();
        TArguments.Read(ref reader).Write(writer);
        Codec<TResult>.Instance.Write(writer, Codec<TResult>.Instance.Read(ref reader));
    }
}
