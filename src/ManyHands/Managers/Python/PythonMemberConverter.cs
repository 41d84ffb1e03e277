using System.Reflection;
using System.Runtime.CompilerServices;

namespace ManyHands.Managers;

/// <summary>
/// A record, or a class with public properties, is a dictionary with the properties' names as keys. It is made by its constructor without parameters, or else by the one whose parameters are named as its properties;
/// what the constructor doesn't take is set. Keys that it doesn't have are refused, and so is the lack of what must be there.
/// </summary>
internal sealed class MemberConverter<T> : PythonConverter<T>
{
    private readonly Member[] members;
    private readonly Dictionary<string, Member> byName;
    private readonly ConstructorInvoker? make;
    private readonly int parameterCount;

    public MemberConverter()
    {
        Type type = typeof(T);
        PropertyInfo[] properties = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static property => property.GetIndexParameters().Length == 0 && property.GetMethod is { IsPublic: true })];
        ConstructorInfo? constructor = type.GetConstructors().Where(candidate => candidate.GetParameters().All(parameter => properties.Any(property => Matches(property, parameter))))
            .OrderBy(static candidate => candidate.GetParameters().Length == 0 ? 0 : 1).ThenByDescending(static candidate => candidate.GetParameters().Length).FirstOrDefault();
        if (constructor is null && !type.IsValueType)
            throw new PythonConversionException("", $"{PythonConversion.TypeName(type)} has no public constructor without parameters, or whose parameters are named as its properties");
        ParameterInfo[] parameters = constructor?.GetParameters() ?? [];
        parameterCount = parameters.Length;
        make = constructor is null ? null : ConstructorInvoker.Create(constructor);
        members = [.. properties.Select(property => new Member(property, Array.Find(parameters, parameter => Matches(property, parameter)))).Where(static member => member.IsRestored)];
        if (members.Length == 0)
            throw new PythonConversionException("", $"{PythonConversion.TypeName(type)} has no public property that can be set");
        byName = members.ToDictionary(static member => member.Name);
    }

    public override object? To(T value, ConversionWork work)
    {
        if (value is null)
            return null;
        if (value.GetType() != typeof(T))
            throw new PythonConversionException("", $"a {PythonConversion.TypeName(value.GetType())} stands where a {PythonConversion.TypeName(typeof(T))} is declared, and what it has more would be lost");
        work.Enter(members.Length);
        PythonDictionary dictionary = new();
        object boxed = value;
        foreach (Member member in members)
        {
            try
            {
                dictionary[member.Name] = member.Converter.ToAny(member.Get(boxed), work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".{member.Name}");
            }
        }

        work.Leave();
        return dictionary;
    }

    public override T From(object? value, ConversionWork work)
    {
        if (value is null && !typeof(T).IsValueType)
            return default!;
        PythonDictionary dictionary = value as PythonDictionary ?? throw Expected($"dict with the properties of {PythonConversion.TypeName(typeof(T))}", value);
        work.Enter(members.Length);
        foreach (object? key in dictionary.Keys)
        {
            if (key is not string name || !byName.ContainsKey(name))
                throw new PythonConversionException("", $"{PythonConversion.TypeName(typeof(T))} has no property {PythonText.Of(key)}");
        }

        object?[] arguments = parameterCount == 0 ? [] : new object?[parameterCount];
        foreach (Member member in members)
        {
            if (member.Parameter is { } parameter)
                arguments[parameter.Position] = dictionary.TryGetValue(member.Name, out object? given) ? member.Take(given, work) : member.Default;
        }

        object made = make is null ? default(T)! : make.Invoke(arguments.AsSpan());
        foreach (Member member in members)
        {
            if (member.Parameter is not null)
                continue;
            if (dictionary.TryGetValue(member.Name, out object? given))
                member.Set(made, member.Take(given, work));
            else if (member.IsRequired)
                throw member.Missing();
        }

        work.Leave();
        return (T)made;
    }

    private static bool Matches(PropertyInfo property, ParameterInfo parameter) =>
        property.PropertyType == parameter.ParameterType && string.Equals(property.Name, parameter.Name, StringComparison.OrdinalIgnoreCase);

    private sealed class Member(PropertyInfo property, ParameterInfo? parameter)
    {
        private readonly MethodInvoker get = MethodInvoker.Create(property.GetMethod!);
        private readonly MethodInvoker? set = property.SetMethod is { IsPublic: true } setter ? MethodInvoker.Create(setter) : null;
        private PythonConverter? converter;

        public string Name => property.Name;

        public ParameterInfo? Parameter => parameter;

        public bool IsRestored => parameter is not null || set is not null;

        public bool IsRequired { get; } = property.IsDefined(typeof(RequiredMemberAttribute));

        public PythonConverter Converter => converter ??= PythonConversion.Of(property.PropertyType);

        public object? Default => parameter!.HasDefaultValue ? parameter.DefaultValue : throw Missing();

        public object? Get(object owner) => get.Invoke(owner);

        public void Set(object owner, object? value) => set!.Invoke(owner, value);

        public object? Take(object? given, ConversionWork work)
        {
            try
            {
                return Converter.FromAny(given, work);
            }
            catch (PythonConversionException problem)
            {
                throw problem.Within($".{Name}");
            }
        }

        public PythonConversionException Missing() => new($".{Name}", "it is missing");
    }
}
