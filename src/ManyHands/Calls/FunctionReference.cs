using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>What a function's target is, which decides how it travels.</summary>
internal enum TargetKind : byte
{
    /// <summary>A static method: nothing travels.</summary>
    None,

    /// <summary>An object without fields, such as the one the compiler makes for lambdas that capture nothing: the other side makes its own.</summary>
    Stateless,

    /// <summary>Captured variables, an object of the caller's own class, or a value such as the text in <c>text.Contains</c>: travels with each call.</summary>
    Object,
}

/// <summary>
/// A function as it is named to other processes: the module it was compiled into, by its version id, and its metadata token there.
/// The definition is sent once to each worker; after that, calls carry only <see cref="Id"/>. Only a parent names functions to its
/// child, never the other way round.
/// </summary>
internal sealed class FunctionReference
{
    private static readonly ConcurrentDictionary<(MethodInfo Method, Type DelegateType, Type CallType, Type? TargetType, Type? ThisType), FunctionReference> Known = new();

    // Interpreted expression trees are delegates to its methods.
    private const string Expressions = "System.Linq.Expressions";

    private static int lastId;

    // Null if nothing of it travels.
    private readonly ObjectForm? target;
    private readonly Type[] named;
    private volatile Staleness? known;

    private FunctionReference(string name, byte[] definition, ObjectForm? target, Type[] named)
    {
        Id = Interlocked.Increment(ref lastId);
        Name = name;
        Definition = definition;
        this.target = target;
        this.named = named;
    }

    /// <summary>Unique in this process, small and dense; workers index a table with it.</summary>
    public int Id { get; }

    public string Name { get; }

    public byte[] Definition { get; }

    /// <summary>Whether all that travels with a call is its arguments.</summary>
    public bool HasNoTarget => target is null;

    /// <summary>A function that both sides have under a name of their own choice: nothing of it travels with its calls.</summary>
    public static FunctionReference Registered(string name) => new(name, [], target: null, named: []);

    /// <summary>Finds or makes the reference for a call's function.</summary>
    /// <exception cref="UnsendableCallException">No other process could find this function.</exception>
    public static FunctionReference For(Call call) =>
        Known.GetOrAdd(
            (call.Function.Method, call.Function.GetType(), call.GetType(), call.Function.Target?.GetType(), CapturedThis.TypeIn(call.Function.Target)),
            static (key, call) => Create(call, key.ThisType),
            call);

    /// <summary>Refuses a function that workers would run as it was before hot reload changed it, or what it may call.</summary>
    /// <exception cref="UnsendableCallException">They would.</exception>
    public void RefuseIfUpdated()
    {
        int version = CodeUpdates.Version;
        if (version == 0)
            return;
        Staleness found = known is { } last && last.Version == version ? last : known = new Staleness(version, CodeUpdates.ReachedFrom(named.SelectMany(AssembliesOf)));
        if (found.Changed is { } changed)
        {
            throw new UnsendableCallException(
                $"'{Name}' can't run in another process any more: hot reload has changed {changed} here, and worker processes run the code that lies on disk. "
                + "Restart the program (Ctrl+R in dotnet watch), and workers have the new code too; until then, Pool.Threads runs it.");
        }
    }

    public void WriteTarget(PayloadWriter writer, object? value) => target?.Write(writer, value!);

    private static FunctionReference Create(Call call, Type? thisType)
    {
        Delegate function = call.Function;
        MethodInfo method = function.Method;
        string name = FunctionNames.Of(method);
        if (function.HasSingleTarget is false)
            throw new UnsendableCallException($"'{name}' is several functions in one delegate; make a call for each.");
        if (method.DeclaringType is not { } declaring || method.Module.Assembly.IsDynamic || method is System.Reflection.Emit.DynamicMethod || declaring.Assembly.GetName().Name == Expressions)
        {
            throw new UnsendableCallException(
                $"'{name}' was generated at run time, so another process has no such function. Write it as a method or a lambda of your program.");
        }

        if (string.IsNullOrEmpty(method.Module.Assembly.Location))
        {
            throw new UnsendableCallException(
                $"'{name}' comes from {method.Module.Assembly.GetName().Name}, which was loaded from memory, so another process can't find it. Load it from a file.");
        }

        Type? targetType = function.Target?.GetType();
        ObjectForm? target = targetType is null ? null : ObjectForm.Of(targetType, used: null, thisType);
        HashSet<int>? used = null;
        if (target is { IsEmpty: false } && UsedCaptures.IsHolder(targetType!) && (used = UsedCaptures.Of(method)) is not null)
            target = ObjectForm.Of(targetType!, used, thisType);
        if (target is { IsEmpty: true })
            target = null;
        using PayloadWriter writer = new();
        writer.WriteString(name);
        writer.WriteUnmanaged(method.Module.ModuleVersionId);
        writer.WriteUnmanaged(method.MetadataToken);
        TypeReference.Write(writer, declaring);
        Type[] methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : [];
        TypeReference.WriteMany(writer, methodArguments);
        TypeReference.Write(writer, function.GetType());
        TypeReference.WriteMany(writer, call.ArgumentsType.GetGenericArguments());
        bool hasResult = call.ResultType != typeof(NoResult);
        writer.WriteUnmanaged(hasResult);
        if (hasResult)
            TypeReference.Write(writer, call.ResultType);
        writer.WriteByte((byte)(targetType is null ? TargetKind.None : target is null ? TargetKind.Stateless : TargetKind.Object));
        if (targetType is not null)
            TypeReference.Write(writer, targetType);
        if (target is not null)
        {
            Codec<int[]?>.Instance.Write(writer, used?.ToArray());
            TypeReference.WriteMany(writer, thisType is null ? [] : [thisType]);
        }

        Type?[] types = [declaring, function.GetType(), call.ResultType, targetType, thisType];
        return new FunctionReference(name, writer.WrittenSpan.ToArray(), target, [.. types.OfType<Type>(), .. methodArguments, .. call.ArgumentsType.GetGenericArguments()]);
    }

    private static IEnumerable<Assembly> AssembliesOf(Type type) =>
        type.HasElementType ? AssembliesOf(type.GetElementType()!) : [type.Assembly, .. type.GetGenericArguments().SelectMany(AssembliesOf)];

    /// <summary>Which changed assembly the function may get to, as of the given number of updates.</summary>
    private sealed record Staleness(int Version, string? Changed);
}

/// <summary>
/// A function as the receiving side knows it: found in its own assemblies, ready to be called with arguments from a payload.
/// </summary>
internal abstract class ResolvedFunction(string name)
{
    public string Name { get; } = name;

    /// <summary>Finds the function that a <see cref="FunctionReference"/> defines.</summary>
    /// <exception cref="FunctionNotFoundException">This process has no such function, or another build of it.</exception>
    public static ResolvedFunction Resolve(ReadOnlyMemory<byte> definition)
    {
        PayloadReader reader = new(definition);
        string name = reader.ReadRequiredString();
        try
        {
            Guid build = new(reader.ReadBytes(TypeReference.GuidSize));
            int token = reader.ReadUnmanaged<int>();
            Type declaring = TypeReference.Read(ref reader);
            Type[] methodArguments = TypeReference.ReadMany(ref reader);
            Type delegateType = TypeReference.Read(ref reader);
            Type[] arguments = TypeReference.ReadMany(ref reader);
            Type result = reader.ReadUnmanaged<bool>() ? TypeReference.Read(ref reader) : typeof(NoResult);
            TargetKind kind = (TargetKind)reader.ReadByte();
            Type? target = kind == TargetKind.None ? null : TypeReference.Read(ref reader);
            ObjectForm? form = null;
            if (kind == TargetKind.Object)
            {
                HashSet<int>? used = Codec<int[]?>.Instance.Read(ref reader)?.ToHashSet();
                form = ObjectForm.Of(target!, used, TypeReference.ReadMany(ref reader) is [{ } thisType] ? thisType : null);
            }

            if (declaring.Module.ModuleVersionId != build)
            {
                throw new FunctionNotFoundException($"'{name}' can't be found: {TypeReference.OtherBuild(declaring.Assembly, build)}");
            }

            Type argumentsType = arguments.Length switch
            {
                0 => typeof(Arguments),
                1 => typeof(Arguments<>).MakeGenericType(arguments),
                2 => typeof(Arguments<,>).MakeGenericType(arguments),
                _ => typeof(Arguments<,,>).MakeGenericType(arguments),
            };
            return (ResolvedFunction)Activator.CreateInstance(
                typeof(ResolvedFunction<,>).MakeGenericType(argumentsType, result),
                name,
                FindMethod(declaring, token, methodArguments),
                delegateType,
                target,
                form)!;
        }
        catch (Exception failure) when (failure is not FunctionNotFoundException)
        {
            Exception reason = failure is TargetInvocationException { InnerException: { } inner } ? inner : failure;
            throw new FunctionNotFoundException($"'{name}' can't be found in its worker: {ExceptionText.MessageOf(reason)}", reason);
        }
    }

    /// <summary>Reads target and arguments, calls the function, writes its result or what it ended with instead; completes synchronously if the function does.</summary>
    /// <inheritdoc cref="CallRunner.RunAsync"/>
    public abstract ValueTask<OutcomeKind> RunAsync(ReadOnlyMemory<byte> payload, TransferContext context, PayloadWriter answer, ICallObserver? observer);

    /// <summary>Whether <see cref="RunSeries"/> can run it: nothing to wait for and no target of its own for each call.</summary>
    public abstract bool RunsInSeries { get; }

    /// <summary>Runs calls one after the other, with as little between them as can be.</summary>
    public abstract void RunSeries(ICallSeries series, TransferContext context, PayloadWriter answer);

    private static MethodInfo FindMethod(Type declaring, int token, Type[] methodArguments)
    {
        MethodInfo method = declaring.IsGenericType
            ? Array.Find(
                declaring.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly),
                candidate => candidate.MetadataToken == token)!
            : (MethodInfo)declaring.Module.ResolveMethod(token)!;
        return methodArguments.Length == 0 ? method : method.MakeGenericMethod(methodArguments);
    }
}

/// <summary>A function that was introduced to this process; found when it is first called.</summary>
internal sealed class DefinedFunction(byte[] definition)
{
    private ResolvedFunction? resolved;
    private FunctionNotFoundException? failure;

    /// <exception cref="FunctionNotFoundException">This process has no such function, or another build of it.</exception>
    public ResolvedFunction Resolved => resolved ?? Resolve();

    /// <summary>Whether it was found and <see cref="ResolvedFunction.RunsInSeries"/>.</summary>
    public bool RunsInSeries
    {
        get
        {
            try
            {
                return Resolved.RunsInSeries;
            }
            catch (FunctionNotFoundException)
            {
                // The call itself will say so.
                return false;
            }
        }
    }

    private ResolvedFunction Resolve()
    {
        if (failure is not null)
            throw new FunctionNotFoundException(ExceptionText.MessageOf(failure), failure.InnerException);
        try
        {
            return resolved = ResolvedFunction.Resolve(definition);
        }
        catch (FunctionNotFoundException reason)
        {
            failure = reason;
            throw;
        }
    }
}

/// <inheritdoc/>
internal sealed class ResolvedFunction<TArguments, TResult> : ResolvedFunction
    where TArguments : struct, IArguments<TArguments>
{
    private readonly MethodInfo method;
    private readonly Type delegateType;
    private readonly ObjectForm? target;
    private readonly Delegate? shared;
    private readonly bool takesToken;
    private Binding binding;

    public ResolvedFunction(string name, MethodInfo method, Type delegateType, Type? targetType, ObjectForm? target)
        : base(name)
    {
        this.method = method;
        this.delegateType = delegateType;
        this.target = target;

        // A token among the arguments is the payload's business; this is about the one that comes beside them.
        takesToken = method.GetParameters() is [.., { ParameterType: { } last }] && last == typeof(CancellationToken);
        if (targetType is null)
            shared = Delegate.CreateDelegate(delegateType, firstArgument: null, method);
        else if (target is null)
            shared = Bind(RuntimeHelpers.GetUninitializedObject(targetType));
    }

    /// <summary>How a delegate to the very method is made, which is known from the first on.</summary>
    private enum Binding : byte
    {
        Unknown,
        ByMethod,

        /// <summary>A virtual method that the target's class overrides, as in <c>base.Method</c>: bound like any other, the override would run.</summary>
        ByPointer,
    }

    public override ValueTask<OutcomeKind> RunAsync(ReadOnlyMemory<byte> payload, TransferContext context, PayloadWriter answer, ICallObserver? observer)
    {
        Delegate function;
        TArguments arguments;
        try
        {
            PayloadReader reader = new(payload, context);
            function = shared ?? Bind(target!.Read(ref reader));
            arguments = TArguments.Read(ref reader);
        }
        catch (Exception failure)
        {
            return new(CallRunner.Undecodable(failure, context, answer));
        }

        FaultPoint.Reach(FaultStep.CallDecoded);
        observer?.OnStarting();
        try
        {
            ValueTask<TResult> pending = arguments.Invoke<TResult>(function, takesToken ? context.Token : default);
            if (!pending.IsCompletedSuccessfully)
                return AwaitAndWrite(pending, context, answer);
            WriteResult(pending.Result, answer);
            context.EndKeeping();
            return new(OutcomeKind.Result);
        }
        catch (Exception failure)
        {
            context.EndKeeping();
            return new(CallRunner.Describe(failure, context, answer));
        }
    }

    public override bool RunsInSeries => shared is not null && !takesToken && TArguments.IsPlain<TResult>(shared);

    // Optimised at once: compiled in stages, a first large map would be over before the last.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunSeries(ICallSeries series, TransferContext context, PayloadWriter answer)
    {
        Delegate function = shared!;
        Codec<TResult> codec = Codec<TResult>.Instance;
        PayloadReader reader = new(series.Payloads, context);
        while (series.TryClaim())
        {
            answer.Reset();
            OutcomeKind kind = OutcomeKind.Result;
            int end = reader.ReadUnmanaged<int>();
            end += reader.Position;
            bool isStarted = false;
            try
            {
                TArguments arguments = TArguments.Read(ref reader);
                FaultPoint.Reach(FaultStep.CallDecoded);
                isStarted = true;
                series.OnStarting();
                TResult result = arguments.InvokePlain<TResult>(function);
                FaultPoint.Reach(FaultStep.FunctionReturned);
                codec.Write(answer, result);
            }
            catch (Exception failure)
            {
                kind = isStarted ? DescribeSeries(failure, context, answer) : CallRunner.Undecodable(failure, context, answer);
            }

            context.EndKeeping();
            reader.Position = end;
            if (!series.Answer(kind))
                return;
        }
    }

    private static OutcomeKind DescribeSeries(Exception failure, TransferContext context, PayloadWriter answer) =>
        CallRunner.Describe(failure is UnsendableValueException or PayloadTooLargeException ? Unsendable(failure) : failure, context, answer);

    // What the caller's delegate runs is its Method, whatever the target's class makes of a method of that name.
    private Delegate Bind(object bound)
    {
        if (binding != Binding.ByPointer)
        {
            Delegate function = Delegate.CreateDelegate(delegateType, bound, method);
            if (binding == Binding.ByMethod || !method.IsVirtual || Runs(function))
            {
                binding = Binding.ByMethod;
                return function;
            }
        }

        Delegate exact = (Delegate)Activator.CreateInstance(delegateType, bound, method.MethodHandle.GetFunctionPointer())!;
        if (binding == Binding.Unknown && !Runs(exact))
            throw new FunctionNotFoundException($"'{Name}' is overridden in {TypeNames.Of(bound.GetType())} and can't be called by itself here; call it from a method of another name.");
        binding = Binding.ByPointer;
        return exact;
    }

    private bool Runs(Delegate function) => function.Method.HasSameMetadataDefinitionAs(method) && function.Method.DeclaringType == method.DeclaringType;

    private static async ValueTask<OutcomeKind> AwaitAndWrite(ValueTask<TResult> pending, TransferContext context, PayloadWriter answer)
    {
        try
        {
            WriteResult(await pending.ConfigureAwait(false), answer);
            return OutcomeKind.Result;
        }
        catch (Exception failure)
        {
            return CallRunner.Describe(failure, context, answer);
        }
        finally
        {
            context.EndKeeping();
        }
    }

    private static void WriteResult(TResult value, PayloadWriter answer)
    {
        FaultPoint.Reach(FaultStep.FunctionReturned);
        try
        {
            Codec<TResult>.Instance.Write(answer, value);
        }
        catch (Exception reason) when (reason is UnsendableValueException or PayloadTooLargeException)
        {
            throw Unsendable(reason);
        }
    }

    private static UnsendableResultException Unsendable(Exception reason) =>
        new($"the result ({TypeNames.Of(typeof(TResult))}) can't travel back: {ExceptionText.MessageOf(reason)}", reason);
}

/// <summary>The receiving process has no such function, or another build of it.</summary>
internal sealed class FunctionNotFoundException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The function ended well, but what it returned can't travel.</summary>
internal sealed class UnsendableResultException(string message, Exception inner) : Exception(message, inner);
