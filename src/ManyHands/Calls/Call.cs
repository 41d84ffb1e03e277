using System.Reflection;
using System.Text.RegularExpressions;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>A function with its arguments, not yet bound to an engine.</summary>
internal abstract class Call
{
    protected Call(Delegate function, CallOptions? options, CancellationToken token)
    {
        ArgumentNullException.ThrowIfNull(function);
        Function = function;
        Options = options ?? CallOptions.Default;
        Options.Validate();
        Token = token;
    }

    public Delegate Function { get; }

    public CallOptions Options { get; }

    /// <summary>The caller's token. When it fires, the call ends with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Token { get; }

    public string Name => Options.Name ?? FunctionNames.Of(Function.Method);

    /// <summary>The function as other processes know it.</summary>
    /// <exception cref="UnsendableCallException">No other process could find this function.</exception>
    public abstract FunctionReference Reference { get; }

    /// <summary>The closed <see cref="IArguments{TSelf}"/> type; both sides agree on it when the function is introduced.</summary>
    public abstract Type ArgumentsType { get; }

    public abstract Type ResultType { get; }

    public abstract void WriteArguments(PayloadWriter writer);
}

/// <inheritdoc/>
internal abstract class Call<TResult>(Delegate function, CallOptions? options, CancellationToken token) : Call(function, options, token)
{
    public override Type ResultType => typeof(TResult);

    /// <summary>Whether the function is of a form with a token of its own behind its arguments.</summary>
    public abstract bool TakesToken { get; }

    /// <summary>Calls the function on this thread, in this process.</summary>
    public abstract ValueTask<TResult> Invoke(CancellationToken token);
}

internal sealed class Call<TArguments, TResult>(Delegate function, TArguments arguments, CallOptions? options = null, CancellationToken token = default)
    : Call<TResult>(function, options, token.CanBeCanceled ? token : arguments.Token)
    where TArguments : struct, IArguments<TArguments>
{
    // The same delegate call after call is what loops and method groups give; looking it up by its parts costs ten times as much.
    private static Known? last;
    private readonly TArguments arguments = arguments;

    // Of the last type of delegate: there are few for the same arguments and result.
    private static Form? lastForm;

    public override bool TakesToken
    {
        get
        {
            Type type = Function.GetType();
            if (lastForm is { } known && known.DelegateType == type)
                return known.TakesToken;
            bool takes = type.GetMethod("Invoke")!.GetParameters() is [.., { ParameterType: { } last }] && last == typeof(CancellationToken);
            lastForm = new Form(type, takes);
            return takes;
        }
    }

    public override FunctionReference Reference
    {
        get
        {
            if (last is { } known && known.Function == (object)Function)
                return known.Reference;
            FunctionReference reference = FunctionReference.For(this);

            // Captured variables are the caller's, and must not outlive its call here.
            if (reference.HasNoTarget)
                last = new Known(Function, reference);
            return reference;
        }
    }

    public override Type ArgumentsType => typeof(TArguments);

    public override void WriteArguments(PayloadWriter writer) => arguments.Write(writer);

    public override ValueTask<TResult> Invoke(CancellationToken token) => arguments.Invoke<TResult>(Function, token);

    private sealed record Form(Type DelegateType, bool TakesToken);

    private sealed record Known(object Function, FunctionReference Reference);
}

/// <summary>Functions as their author knows them; the compiler's names for lambdas and local functions are unreadable.</summary>
internal static partial class FunctionNames
{
    public static string Of(MethodInfo method)
    {
        Type? declaring = method.DeclaringType;
        while (declaring is { IsNested: true } && declaring.Name.StartsWith('<'))
            declaring = declaring.DeclaringType;
        string owner = declaring is null ? "" : TypeNames.Of(declaring) + ".";
        Match compiled = CompiledName().Match(method.Name);
        if (!compiled.Success)
            return owner + method.Name;
        string outer = compiled.Groups["outer"].Value is "<Main>$" ? "Main" : compiled.Groups["outer"].Value;
        return compiled.Groups["kind"].Value == "g"
            ? owner + outer + "." + compiled.Groups["local"].Value
            : owner + outer + " (lambda)";
    }

    // <Outer>b__0_1 is a lambda in Outer, <Outer>g__Local|0_1 a local function.
    [GeneratedRegex(@"^<(?<outer>.*)>(?<kind>[bg])__(?<local>[^|]*)")]
    private static partial Regex CompiledName();
}
